"""Classifiers over word vectors and parse trees: mean, LSTM, recursive networks."""
