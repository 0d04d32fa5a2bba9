"""Words of a text and of a vocabulary: tokenizers, subwords, what to say of unknown ones."""
