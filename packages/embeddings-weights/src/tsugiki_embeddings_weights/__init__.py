"""Checkpoints of tsugiki-embeddings that its own wheel has no room for."""
