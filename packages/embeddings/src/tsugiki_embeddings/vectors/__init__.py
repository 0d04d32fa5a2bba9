"""Word vectors: the object to ask, the models that hold them, files of other programs, and their commands."""
