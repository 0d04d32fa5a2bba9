"""Word vectors measured on themselves: similarity and analogies."""
