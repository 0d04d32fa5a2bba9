"""What a language model thinks of whole texts: -ln P of each, to choose between readings of the same words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel
from tsugiki.errors import DataError, OptionError

from ..texts.sentence_pairs import check_lengths
from .language_modelling import token_nats

BATCH = 32  # texts a forward pass


@dataclass(frozen=True)
class TextScore:
    """What a model thinks of a text.

    Attributes:
        text: As given.
        log_probability: ln P of all its tokens and of its end, in nats.
        tokens: Their number.
        unknown: How many of them the vocabulary has not. Texts with more of them seem likelier than they are.
        rank: 1 for the likeliest of the texts.
    """

    text: str
    log_probability: float
    tokens: int
    unknown: int
    rank: int

    @property
    def perplexity(self) -> float:
        """Per token."""
        return math.exp(-self.log_probability / self.tokens)


def score_texts(
    model: PreTrainedModel, tokenizer: Any, texts: Sequence[str], *, with_end: bool = True, batch_size: int = BATCH
) -> list[TextScore]:
    """Score texts with a causal language model.

    Args:
        model: Any causal language model; in eval mode.
        tokenizer: Its tokenizer.
        texts: At least one, none without tokens.
        with_end: Whether the end of each text is a token that is guessed too.
        batch_size: Texts a forward pass.

    Returns:
        The scores, in the order of the texts.

    Raises:
        DataError: A text is empty, or longer than the model reads.
        OptionError: The model has no end-of-text token to begin with, or there are no texts.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.bos_token_id
    if end is None:
        raise OptionError("the tokenizer has neither an end-of-text nor a start token for a text to begin with")
    if not texts:
        raise OptionError("there is no text to score; give at least one")
    rows = [
        [end, *_tokens(tokenizer, text, number), *([end] if with_end else [])]
        for number, text in enumerate(texts, start=1)
    ]
    check_lengths(model, [len(row) for row in rows])
    sums: list[float] = []
    for start in range(0, len(rows), batch_size):
        sums += _log_probabilities(model, rows[start : start + batch_size])
    order = sorted(range(len(texts)), key=lambda number: -sums[number])
    ranks = {number: rank for rank, number in enumerate(order, start=1)}
    unknown = tokenizer.unk_token_id
    return [
        TextScore(
            text,
            log_probability=sums[number],
            tokens=len(row) - 1,
            unknown=row[1:].count(unknown) if unknown != end else 0,
            rank=ranks[number],
        )
        for number, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]


@torch.inference_mode()
def _log_probabilities(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[float]:
    """ln P of all but the first token of each row. What is padded at the right, a causal model does not see."""
    length = max(len(row) for row in rows)
    input_ids = torch.tensor([[*row, *[row[0]] * (length - len(row))] for row in rows], device=model.device)  # (B, L)
    nats = token_nats(model, input_ids)  # (B, L - 1)
    return [-float(found[: len(row) - 1].double().sum()) for found, row in zip(nats, rows, strict=True)]


def _tokens(tokenizer: Any, text: str, number: int) -> list[int]:
    """The tokens of a text, refused without any."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not tokens:
        raise DataError(f"text {number} is empty; a language model scores texts of at least one token")
    return tokens
