"""Checkpoints of tsugiki-seq2seq that its own wheel has no room for."""
