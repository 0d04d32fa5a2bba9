"""Sparse composite document vectors: the model, its arithmetic, its training, the vectorizer."""
