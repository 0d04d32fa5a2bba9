"""Texts on their way in: columns, words, tokenizers, pairs of sentences."""
