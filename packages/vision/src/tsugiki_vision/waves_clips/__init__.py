"""Convolution in one and three dimensions: recordings and short clips."""
