"""Style transfer, by optimising a picture and by a network that paints in one pass."""
