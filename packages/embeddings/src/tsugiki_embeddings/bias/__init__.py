"""Bias of word vectors, measured and taken out."""
