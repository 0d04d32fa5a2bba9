"""Ways to train word vectors: skip-gram, GloVe, fastText, the neural language model."""
