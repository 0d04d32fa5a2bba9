"""Checkpoints from recipes: the recipe, what it needs before its first step, training, the index."""
