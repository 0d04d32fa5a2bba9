"""Segmentation: a class for each pixel, a mask for each object."""
