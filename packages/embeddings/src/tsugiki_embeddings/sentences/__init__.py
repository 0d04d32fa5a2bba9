"""Sentences and other short texts as one vector each: a network, its task, and what people do with the vectors."""
