"""New rows of a vocabulary: a model learns texts whose words, pieces or letters its tokenizer has not.

The tokenizer grows where that is measured to pay, see `tokenizer_growth`; every old token keeps its number and rows. A
new token starts as the mean of the rows of the old tokens that spell it (Gee, Zugarini, Rigutini and Torroni 2022, Fast
vocabulary transfer for language model compression, EMNLP industry track), and one that they cannot spell at the mean of
all rows, where ``resize_token_embeddings`` puts it (Hewitt 2021, Initializing new word embeddings for pretrained
language models).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..adaptation import Adaptation
from ..errors import OptionError
from .tokenizer_growth import Fit, can_grow, grown_tokenizer, measure_fit

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def adapted_vocabulary(processor: Any, texts: Sequence[str]) -> Adaptation:
    """What a model's vocabulary becomes for other texts; `tsugiki.task.Task.adapted` of tasks on texts calls it.

    Args:
        processor: The model's tokenizer, or a processor that has one.
        texts: What the tokenizer will get of the rows to learn from.

    Returns:
        The processor as it is, where it serves or cannot grow; else one with more tokens, and how the model grows.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    if not texts or not can_grow(tokenizer):
        return Adaptation(processor=processor)
    fit = measure_fit(tokenizer, texts)
    if fit.serves:
        return Adaptation(processor=processor)
    grown = grown_tokenizer(tokenizer, texts)
    new_processor = grown
    if tokenizer is not processor:
        new_processor = copy.deepcopy(processor)
        new_processor.tokenizer = grown
    return Adaptation(
        processor=new_processor,
        grow=partial(grow_rows, old=tokenizer, new=grown),
        why=_why(fit, len(grown) - len(tokenizer)),
    )


def _why(fit: Fit, new: int) -> str:
    return (
        f"{new:,} new tokens with rows of their own; without them {fit.unknown:.2%} of the texts' tokens are unknown, "
        f"with them {fit.unknown_grown:.2%}, and the texts are {fit.longer:.2f} times as long."
    )


def grow_rows(model: PreTrainedModel, *, old: Any, new: Any, seed: int = 0) -> list[str]:
    """Give a model rows for new tokens, in place; its old rows, and what it says of old tokens, stay.

    Args:
        model: Any model of transformers with token embeddings.
        old: The tokenizer that it was trained with; rows behind its last token, which no text reaches, are dropped.
        new: One whose first tokens are those of `old`.
        seed: Of what ``resize_token_embeddings`` draws.

    Returns:
        The names of the parameters that hold new rows; none where there is no new token.

    Raises:
        OptionError: The model's ``resize_token_embeddings`` does not keep the rows that there are.
    """
    if len(new) == len(old):
        return []
    before = {
        name: tensor.detach().clone() if model.config.get_text_config().vocab_size in tensor.shape else tensor.detach()
        for name, tensor in _tensors(model).items()
    }
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(seed)
        _resize(model, len(old))
        kept = {name: tensor.shape for name, tensor in _tensors(model).items()}
        _resize(model, len(new))
    pieces = spelling(old, new)
    for name, tensor in _tensors(model).items():
        if tensor.shape != kept[name]:
            axis = next(axis for axis, size in enumerate(kept[name]) if tensor.shape[axis] != size)
            rows, known = tensor.movedim(axis, 0), before[name].movedim(axis, 0)[: len(old)]
            if not torch.equal(rows[: len(old)], known):
                raise OptionError(
                    f"{type(model).__name__} cannot get rows for new tokens: its resize_token_embeddings changes those "
                    f"that {name} has"
                )
            _start_rows(rows, known, pieces)
    return [name for name, tensor in model.named_parameters() if tensor.shape != kept[name]]


def spelling(old: Any, new: Any) -> dict[int, list[int]]:
    """By new token, the old tokens that spell it; those that `old` cannot spell in any part are left out."""
    model, unknown = old.backend_tokenizer.model, old.unk_token_id
    prefix = getattr(model, "continuing_subword_prefix", None) or ""
    known = old.get_vocab()
    special = set(old.all_special_tokens)
    found: dict[int, list[int]] = {}
    for token, number in new.get_vocab().items():
        if number < len(old):
            continue
        if prefix and token.startswith(prefix):
            ids = _inner_pieces(token.removeprefix(prefix), prefix, known)
        else:
            ids = [piece.id for piece in model.tokenize(token) if piece.value not in special]
        if ids := [piece for piece in ids if piece != unknown]:
            found[number] = ids
    return found


def _inner_pieces(text: str, prefix: str, known: Mapping[str, int]) -> list[int]:
    """The longest tokens of the inside of a word, one behind the other; none where one is missing."""
    ids: list[int] = []
    while text:
        end = next((end for end in range(len(text), 0, -1) if prefix + text[:end] in known), 0)
        if not end:
            return []
        ids.append(known[prefix + text[:end]])
        text = text[end:]
    return ids


def _tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _resize(model: Any, size: int) -> None:
    model.resize_token_embeddings(size)
    if getattr(model.config, "share_encoder_decoder_embeddings", True) is False:
        model.resize_decoder_token_embeddings(size)


@torch.no_grad()
def _start_rows(rows: Tensor, known: Tensor, pieces: Mapping[int, Sequence[int]]) -> None:
    """Write the means of the pieces' rows."""
    if rows.is_floating_point():
        for number, ids in pieces.items():
            rows[number] = known[list(ids)].mean(0)


@contextmanager
def _quiet() -> Iterator[None]:
    """No lines by transformers on how it draws rows, most of which are written over."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
