"""How often each word of a vocabulary occurs in a corpus, which every way of training word vectors begins with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError

from .word_tokenizer import SPECIAL


def word_counts(tokens: NDArray[np.int32], vocab_size: int) -> NDArray[np.int64]:
    """Count the words of a corpus.

    Args:
        tokens: Numbers of words, int32 (T,).
        vocab_size: V, with the two special tokens.

    Returns:
        How often each word occurs, int64 (V,); 0 for padding and unknown words.

    Raises:
        DataError: There are fewer than two different words, or one beyond the vocabulary.
    """
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        raise DataError(
            f"the corpus holds the number {int(tokens.max())}, and the vocabulary has {vocab_size:,} words; tokenise "
            "it with the tokenizer of the model"
        )
    counts = np.bincount(tokens, minlength=vocab_size).astype(np.int64)
    counts[:SPECIAL] = 0
    if (different := int((counts > 0).sum())) < 2:
        raise DataError(f"the corpus holds {different} different words of the vocabulary; vectors need at least two")
    return counts
