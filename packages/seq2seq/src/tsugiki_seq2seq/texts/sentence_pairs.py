"""Tables of sentence pairs: sources and targets as tokens, padded a batch at a time, with the targets' texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.plain_text import plain_text
from tsugiki.tensor_table import IGNORED, Batch, TensorTable
from tsugiki.text_table import PaddedTexts, text_table

from .special_tokens import END

ROW, TARGET_START, TARGET_LENGTH = "row", "target_start", "target_length"


class PaddedPairs:
    """Turns places in two streams of tokens into padded batches; the transform of a `pair_table`.

    Args:
        sources: The sources' stream.
        targets: All tokens of the targets, int32 (T,).
        references: The text of each target, as `plain_text` has it.
        tokenizer: What the tokens are numbers of.

    Attributes:
        references: As given; row n of the table, however selected, has the number ``columns["row"][n]``.
        tokenizer: As given.
    """

    def __init__(self, sources: PaddedTexts, targets: Tensor, references: Sequence[str], tokenizer: Any) -> None:
        self.sources = sources
        self.targets = PaddedTexts(targets, IGNORED)
        self.references = references
        self.tokenizer = tokenizer

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` and ``attention_mask`` (B, S), and ``labels`` (B, T), -100 behind a target's end; int64."""
        given = dict(batch)
        given.pop(ROW)
        places = {"start": given.pop(TARGET_START), "length": given.pop(TARGET_LENGTH)}
        padded = self.sources(given)
        labels = self.targets(places)
        return {**padded, "labels": labels["input_ids"]}


def pair_table(
    sources: Sequence[str], targets: Sequence[str], tokenizer: Any, *, max_length: int | None = None
) -> TensorTable:
    """A table of sentence pairs.

    Args:
        sources: Texts.
        targets: Their translations, as many.
        tokenizer: Of both.
        max_length: Longer sources and targets lose their end, in tokens.

    Returns:
        Batches of ``input_ids``, ``attention_mask`` and ``labels``; every source and target ends in ``</s>``.

    Raises:
        ValueError: Sources and targets differ in number.
    """
    if len(sources) != len(targets):
        raise ValueError(f"{len(sources)} sources and {len(targets)} targets; every source needs one target")
    encoded = encode(tokenizer, sources, max_length), encode(tokenizer, targets, max_length)
    table = text_table(encoded[0], pad_token_id=tokenizer.pad_token_id)
    assert isinstance(table.transform, PaddedTexts)
    lengths = np.fromiter(map(len, encoded[1]), np.int64, len(targets))
    starts = np.concatenate([np.zeros(1, np.int64), lengths.cumsum()])[:-1]
    stream = torch.from_numpy(np.fromiter((n for row in encoded[1] for n in row), np.int32, int(lengths.sum())))
    columns = {
        **table.columns,
        TARGET_START: torch.from_numpy(starts),
        TARGET_LENGTH: torch.from_numpy(lengths),
        ROW: torch.arange(len(targets)),
    }
    references = [plain_text(target) for target in targets]
    return TensorTable(columns, transform=PaddedPairs(table.transform, stream, references, tokenizer))


def check_lengths(model: Any, lengths: Sequence[int], called: str | None = "text") -> None:
    """Refuse texts that are longer than a model with numbered positions reads.

    Args:
        model: Its config's ``max_position_embeddings``, if there is one, is the most tokens.
        lengths: Tokens of each text, its ends included.
        called: What a text is called in the message; the first is number 1. None where there is one alone.

    Raises:
        DataError: Names the first that is too long.
    """
    longest = getattr(model.config, "max_position_embeddings", None)
    for number, length in enumerate(lengths, start=1):
        if isinstance(longest, int) and length > longest:
            one = "the text" if called is None else f"{called} {number}"
            raise DataError(f"{one} has {length:,} tokens with its ends, and the model reads {longest} at most")


def encode(tokenizer: Any, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
    """The tokens of each text with ``</s>`` at the end."""
    if not len(texts):
        return []
    kept = None if max_length is None else max_length - 1
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else END
    return [[*ids[:kept], end] for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
