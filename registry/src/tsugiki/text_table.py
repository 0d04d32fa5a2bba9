"""Tables of texts: rows of tokens of different lengths, kept as one stream and padded a batch at a time.

Padding a whole data set to its longest text would cost more memory than the texts, and every batch would carry the
longest text's padding. Here a row is a place in the stream of all tokens; a batch is as wide as its longest row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .tensor_table import Batch, TensorTable

START, LENGTH = "start", "length"


class PaddedTexts:
    """Turns places in a stream of tokens into padded batches; the transform of a `text_table`.

    Args:
        tokens: All tokens, int32 (T,).
        pad_token_id: What fills the rows up.

    Attributes:
        tokens: As given; moved to the device of the batches at first use.
        pad_token_id: As given.
    """

    def __init__(self, tokens: Tensor, pad_token_id: int) -> None:
        self.tokens = tokens
        self.pad_token_id = pad_token_id

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` int64 (B, L) and ``attention_mask`` int64 (B, L), L the longest row; other columns as they are.

        A batch of nothing but empty rows is one token of padding wide.
        """
        given = dict(batch)
        start, length = given.pop(START), given.pop(LENGTH)
        if self.tokens.device != start.device:
            self.tokens = self.tokens.to(start.device)
        places = torch.arange(max(1, int(length.max())), device=start.device)  # (L,)
        known = places < length[:, None]  # (B, L)
        index = torch.where(known, start[:, None] + places, 0)
        tokens = self.tokens[index] if len(self.tokens) else torch.zeros_like(index)
        input_ids = torch.where(known, tokens.long(), self.pad_token_id)
        return {"input_ids": input_ids, "attention_mask": known.long(), **given}


def text_table(
    sequences: Sequence[Sequence[int]] | tuple[NDArray[np.int32], NDArray[np.int64]],
    *,
    pad_token_id: int = 0,
    labels: Tensor | None = None,
) -> TensorTable:
    """A table of tokenised texts.

    Args:
        sequences: The token numbers of each text; or all tokens int32 (T,) with offsets int64 (N + 1,), text n being
            ``tokens[offsets[n]:offsets[n + 1]]``.
        pad_token_id: What fills shorter texts of a batch up.
        labels: (N, ...), if there are some.

    Returns:
        A table whose batches hold ``input_ids`` and ``attention_mask``, int64 (B, L), and ``labels``.
    """
    if isinstance(sequences, tuple):
        tokens, offsets = sequences
    else:
        lengths = np.fromiter((len(sequence) for sequence in sequences), np.int64, len(sequences))
        offsets = np.concatenate([np.zeros(1, np.int64), lengths.cumsum()])
        flat = (number for sequence in sequences for number in sequence)
        tokens = np.fromiter(flat, np.int32, int(offsets[-1]))
    columns = {START: torch.from_numpy(offsets[:-1].copy()), LENGTH: torch.from_numpy(np.diff(offsets))}
    if labels is not None:
        columns["labels"] = labels
    return TensorTable(columns, transform=PaddedTexts(torch.from_numpy(np.ascontiguousarray(tokens)), pad_token_id))


def token_stream(table: TensorTable) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The tokens of a text table's rows, one after the other.

    Args:
        table: As `text_table` makes it, or rows selected from it.

    Returns:
        All tokens int32 (T,) and offsets int64 (N + 1,), as `text_table` takes them.

    Raises:
        ValueError: It is no table of texts.
    """
    if not isinstance(table.transform, PaddedTexts):
        raise ValueError("the table holds no texts; make it with tsugiki.text_table.text_table")
    tokens = table.transform.tokens.cpu().numpy()
    start, length = table.columns[START].cpu().numpy(), table.columns[LENGTH].cpu().numpy()
    offsets = np.concatenate([np.zeros(1, np.int64), length.cumsum()])
    if len(start) and np.array_equal(start, start[0] + offsets[:-1]):  # the rows lie as they were made
        return tokens[start[0] : start[0] + offsets[-1]], offsets
    index = np.repeat(start - offsets[:-1], length) + np.arange(offsets[-1])
    return tokens[index], offsets
