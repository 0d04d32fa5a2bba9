"""A sentence for a picture: the captioner, its training, task and scores."""
