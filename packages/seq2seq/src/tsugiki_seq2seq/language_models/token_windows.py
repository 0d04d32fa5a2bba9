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
        """``input_ids`` and ``labels`` int64 (B, CONTEXT + WINDOW); -100 at the context and behind the stream's end."""
        place = batch["place"]
        if self.stream.device != place.device:
            self.stream = self.stream.to(place.device)
        offsets = torch.arange(-CONTEXT, WINDOW, device=place.device)
        index = place[:, None] + offsets  # (B, CONTEXT + WINDOW)
        known = (index >= 0) & (index < len(self.stream))
        # Before the stream's first token stands its end-of-text, as often as it takes: a beginning like all others.
        tokens = self.stream[index.clamp(0, len(self.stream) - 1)].long()
        input_ids = torch.where(known, tokens, int(self.stream[0]))
        labels = torch.where(known & (offsets >= 0) & (index > 0), input_ids, IGNORED)
        return {"input_ids": input_ids, "labels": labels}


def window_table(texts: Sequence[str], tokenizer: Any) -> TensorTable:
    """A table that asks for every token of some texts once, each text with its end.

    Args:
        texts: Empty ones are left out.
        tokenizer: Of the model; its end-of-text token stands before the first text and behind each.

    Raises:
        DataError: There is no text.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else END
    pieces = [np.array([end], np.int32)]
    for start in range(0, len(texts), BATCH):
        batch = [text for text in texts[start : start + BATCH] if text]
        if batch:
            rows = tokenizer(batch, add_special_tokens=False)["input_ids"]
            pieces += [np.array([*row, end], np.int32) for row in rows]
    if len(pieces) == 1:
        raise DataError("the texts hold no token")
    stream = torch.from_numpy(np.concatenate(pieces))
    places = torch.arange(1, len(stream), WINDOW)  # the first token is the end before the first text
    return TensorTable({"place": places}, transform=TokenWindows(stream, token_characters(tokenizer)))


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
