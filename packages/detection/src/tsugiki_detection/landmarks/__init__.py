"""Landmarks: points of an object, and whether each is seen."""
