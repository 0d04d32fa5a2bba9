"""What a language model thinks of whole texts: -ln P of each, to choose between readings of the same words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel
from tsugiki.errors import DataError, OptionError
from tsugiki.progress import track

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
        error: Why the text has no score: it is empty, or longer than the model reads. The other numbers are NaN or 0
            then. None where it has one.
    """

    text: str
    log_probability: float = math.nan
    tokens: int = 0
    unknown: int = 0
    rank: int = 0
    error: str | None = None

    @property
    def perplexity(self) -> float:
        """Per token; NaN without a score."""
        return math.nan if self.error is not None else math.exp(-self.log_probability / self.tokens)


def score_texts(
    model: PreTrainedModel, tokenizer: Any, texts: Sequence[str], *, with_end: bool = True, batch_size: int = BATCH
) -> list[TextScore]:
    """Score texts with a causal language model.

    Args:
        model: Any causal language model; in eval mode.
        tokenizer: Its tokenizer.
        texts: At least one.
        with_end: Whether the end of each text is a token that is guessed too.
        batch_size: Texts a forward pass.

    Returns:
        The scores, in the order of the texts. A text that has none, being empty or too long, says why in `error`.

    Raises:
        OptionError: The model has no end-of-text token to begin with, or there are no texts.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.bos_token_id
    if end is None:
        raise OptionError("the tokenizer has neither an end-of-text nor a start token for a text to begin with")
    if not texts:
        raise OptionError("there is no text to score; give at least one")
    rows: dict[int, list[int]] = {}  # by the text's number
    errors: dict[int, str] = {}
    for number, text in enumerate(texts):
        try:
            rows[number] = [end, *_tokens(tokenizer, text), *([end] if with_end else [])]
            check_lengths(model, [len(rows[number])], None)
        except DataError as error:
            rows.pop(number, None)
            errors[number] = str(error)
    scored = list(rows.values())
    found = [
        one
        for start in track(range(0, len(scored), batch_size), "score", unit="batch")
        for one in _log_probabilities(model, scored[start : start + batch_size])
    ]
    sums = dict(zip(rows, found, strict=True))
    ranks = {number: rank for rank, number in enumerate(sorted(sums, key=lambda number: -sums[number]), start=1)}
    unknown = tokenizer.unk_token_id
    return [
        TextScore(
            text,
            log_probability=sums[number],
            tokens=len(rows[number]) - 1,
            unknown=rows[number][1:].count(unknown) if unknown != end else 0,
            rank=ranks[number],
        )
        if number in rows
        else TextScore(text, error=errors[number])
        for number, text in enumerate(texts)
    ]


@torch.inference_mode()
def _log_probabilities(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[float]:
    """ln P of all but the first token of each row. What is padded at the right, a causal model does not see."""
    length = max(len(row) for row in rows)
    input_ids = torch.tensor([[*row, *[row[0]] * (length - len(row))] for row in rows], device=model.device)  # (B, L)
    nats = token_nats(model, input_ids)  # (B, L - 1)
    return [-float(found[: len(row) - 1].double().sum()) for found, row in zip(nats, rows, strict=True)]


def _tokens(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text, refused without any."""
    if not isinstance(text, str):
        raise DataError(f"a text is needed, not {text!r}")
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if not tokens:
        raise DataError("the text is empty; a language model scores texts of at least one token")
    return tokens
