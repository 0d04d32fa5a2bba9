"""Measuring a model: predictions on a table, ensembles, several views of a picture."""
