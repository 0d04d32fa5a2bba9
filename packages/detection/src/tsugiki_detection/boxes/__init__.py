"""Boxes: their formats, overlap, suppression of doubles, anchors."""
