"""Tables of tagged sentences: words as tokens and their tags as labels, padded a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tsugiki.tensor_table import IGNORED, Batch, TensorTable
from tsugiki.text_table import LENGTH, START, PaddedTexts, text_table


class PaddedTags:
    """Turns places in a stream of tokens, and one of tags beside it, into padded batches; the transform of a
    `tagged_table`.

    Args:
        tokens: The tokens' stream.
        tags: Tag numbers, int32 (T,), one a token, -100 for a token that is not its word's first.
    """

    def __init__(self, tokens: PaddedTexts, tags: Tensor) -> None:
        self.tokens = tokens
        self.tags = PaddedTexts(tags, IGNORED)

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids``, ``attention_mask`` and ``labels``, int64 (B, L)."""
        padded = self.tokens(batch)
        labels = self.tags({name: batch[name] for name in (START, LENGTH)})["input_ids"]
        return {**padded, "labels": labels}


def tagged_table(sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[int]], tokenizer: Any) -> TensorTable:
    """A table of sentences with a tag for each word.

    Args:
        sentences: Words.
        tags: Tag numbers, as many as words.
        tokenizer: Fast. Of a word that it splits, the first token has the tag and the others none.

    Returns:
        Batches of ``input_ids``, ``attention_mask`` and ``labels``, -100 where nothing is asked.
    """
    encoded = tokenizer([list(words) for words in sentences], is_split_into_words=True, add_special_tokens=False)
    rows = encoded["input_ids"]
    placed: list[int] = []
    for number, given in enumerate(tags):
        last = None
        for word in encoded.word_ids(number):
            placed.append(IGNORED if word == last or word is None else int(given[word]))
            last = word
    table = text_table(rows, pad_token_id=tokenizer.pad_token_id or 0)
    assert isinstance(table.transform, PaddedTexts)
    stream = torch.from_numpy(np.array(placed, np.int32))
    return TensorTable(table.columns, transform=PaddedTags(table.transform, stream))
