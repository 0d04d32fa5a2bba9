"""Detectors: a box and a class for each object of a picture."""
