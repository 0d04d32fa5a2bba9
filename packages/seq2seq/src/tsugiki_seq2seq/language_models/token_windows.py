"""Texts as rows of context and window: each token is asked for once, with what stands before it in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import pre_tokenizers
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.tensor_table import IGNORED, Batch, TensorTable

from ..texts.special_tokens import END

PLACE, BEGIN, STOP = "place", "begin", "stop"  # columns: where a window begins, and its group's first token and end
WINDOW = 128  # tokens that a row asks for
CONTEXT = 128  # tokens before them that it shows, as far as there are any
BATCH = 1000  # texts tokenised at once


class TokenWindows:
    """Turns places in a stream of tokens into rows of context and window; the transform of a `window_table`.

    Args:
        stream: All tokens, int32 (T,).
        characters: How many characters of text each token of the vocabulary stands for, float32 (V,).

    Attributes:
        stream: As given; moved to the device of the batches at first use.
        characters: As given.
    """

    def __init__(self, stream: Tensor, characters: Tensor) -> None:
        self.stream = stream
        self.characters = characters

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` and ``labels`` int64 (B, CONTEXT + WINDOW); -100 at the context and behind the stream's end.

        Where the columns `BEGIN` and `STOP` name the tokens of a row's group, it shows and asks for none of others.
        """
        place = batch[PLACE]
        if self.stream.device != place.device:
            self.stream = self.stream.to(place.device)
        offsets = torch.arange(-CONTEXT, WINDOW, device=place.device)
        index = place[:, None] + offsets  # (B, CONTEXT + WINDOW)
        known = (index >= 0) & (index < len(self.stream))
        if BEGIN in batch:  # the token before a group is an end of text
            known &= (index >= batch[BEGIN][:, None] - 1) & (index < batch[STOP][:, None])
        # Before the stream's first token stands its end-of-text, as often as it takes: a beginning like all others.
        tokens = self.stream[index.clamp(0, len(self.stream) - 1)].long()
        input_ids = torch.where(known, tokens, int(self.stream[0]))
        labels = torch.where(known & (offsets >= 0) & (index > 0), input_ids, IGNORED)
        return {"input_ids": input_ids, "labels": labels}


def window_table(texts: Sequence[str], tokenizer: Any, groups: Tensor | None = None) -> TensorTable:
    """A table that asks for every token of some texts once, each text with its end.

    Args:
        texts: Empty ones are left out.
        tokenizer: Of the model; its end-of-text token stands before the first text and behind each.
        groups: Number of the group that each text belongs to (number of texts,). Then the texts are laid out group by
            group, no row shows or asks for tokens of two, and the table says which group each row is of.

    Raises:
        DataError: There is no text.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else END
    order = range(len(texts)) if groups is None else torch.argsort(groups, stable=True).tolist()
    filled = [number for number in order if texts[number]]
    pieces = [np.array([end], np.int32)]
    for start in range(0, len(filled), BATCH):
        rows = tokenizer([texts[number] for number in filled[start : start + BATCH]], add_special_tokens=False)
        pieces += [np.array([*row, end], np.int32) for row in rows["input_ids"]]
    if len(pieces) == 1:
        raise DataError("the texts hold no token")
    stream = torch.from_numpy(np.concatenate(pieces))
    transform = TokenWindows(stream, token_characters(tokenizer))
    if groups is None:
        places = torch.arange(1, len(stream), WINDOW)  # the first token is the end before the first text
        return TensorTable({PLACE: places}, transform=transform)
    columns, numbers = grouped_places([len(piece) for piece in pieces[1:]], groups[filled])
    return TensorTable(columns, transform=transform, groups=numbers)


def grouped_places(lengths: Sequence[int], groups: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Where windows begin of texts that are laid out group by group, each group with windows of its own.

    Args:
        lengths: Tokens of each text with its end.
        groups: Number of each text's group, in ascending order.

    Returns:
        The columns `PLACE`, `BEGIN` and `STOP`, and the group of each window.
    """
    kinds, counts = groups.unique_consecutive(return_counts=True)
    stops = [1 + int(part) for part in torch.tensor(lengths).cumsum(0)[counts.cumsum(0) - 1]]
    begins = [1, *stops[:-1]]
    places = [torch.arange(begin, stop, WINDOW) for begin, stop in zip(begins, stops, strict=True)]
    sizes = torch.tensor([len(part) for part in places])
    columns = {PLACE: torch.cat(places)}
    columns |= {
        name: torch.tensor(values).repeat_interleave(sizes) for name, values in ((BEGIN, begins), (STOP, stops))
    }
    return columns, kinds.repeat_interleave(sizes)


def token_characters(tokenizer: Any) -> Tensor:
    """How many characters of text each token stands for, float32 (V,); none for special tokens, one for ``<unk>``."""
    special = set(tokenizer.all_special_ids)
    backend = tokenizer.backend_tokenizer
    separate = backend.decoder is None  # words with a space between them
    signs_apart = isinstance(backend.pre_tokenizer, pre_tokenizers.Split)  # which have none before them
    lengths = []
    for number, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))):
        if number in special:
            lengths.append(1 if number == tokenizer.unk_token_id else 0)
        else:
            lengths.append(len(token) + (1 if separate and (token[0].isalnum() or not signs_apart) else 0))
    return torch.tensor(lengths, dtype=torch.float32)
