"""Utterances of a batch of dialogues as rows of a tensor: put in order, grouped by length, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..recurrent.recurrent_layers import take, tokens_first

GROUP = 64  # utterances that go through a network together, with others of like length


def groups_of_like_length(lengths: Tensor) -> list[Tensor]:
    """Row numbers, shortest first, in groups of `GROUP`, so that little is computed on padding.

    Args:
        lengths: Of the rows (N,). Rows of length 0 are left out, unless there are no others.

    Returns:
        At least one group; the only one, of all rows, while a graph is compiled.
    """
    if torch.compiler.is_compiling():
        return [torch.arange(len(lengths), device=lengths.device)]
    order = lengths.argsort(stable=True)
    empty = min(int((lengths == 0).sum()), len(lengths) - 1)
    return list(order[empty:].split(GROUP))


def trimmed(mask: Tensor) -> Tensor:
    """A mask (N, L) without the columns behind all rows' last true place; at least one is left."""
    if torch.compiler.is_compiling():
        return mask
    used = mask.any(0).nonzero()
    return mask[:, : int(used[-1]) + 1 if len(used) else 1]


def put_rows(values: Tensor, rows: Tensor, total: int) -> Tensor:
    """Values (n, ...) at their rows (n,) of a tensor of zeros (total, ...)."""
    return values.new_zeros(total, *values.shape[1:]).index_copy(0, rows, values)


def tokens_in_front(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Utterances one below the other, what is in the mask first.

    Args:
        values: (B, U, L).
        mask: True for tokens (B, U, L).

    Returns:
        Values and mask (B U, L).
    """
    mask = mask.flatten(0, 1)
    order = tokens_first(mask)
    return values.flatten(0, 1).gather(1, order), mask.gather(1, order)


def states_before(states: Tensor, spoken: Tensor) -> Tensor:
    """The dialogue's state before each utterance, 0 before the first.

    Args:
        states: After each utterance (B, U, C).
        spoken: Whether there is an utterance (B, U).

    Returns:
        (B, U, C).
    """
    places = torch.arange(spoken.shape[1], device=spoken.device)
    last = torch.where(spoken, places, -1).cummax(1).values
    previous = F.pad(last[:, :-1], (1, 0), value=-1)
    return take(states, previous.clamp(min=0)) * (previous >= 0)[..., None]


def utterance_keys(tokens: Tensor, mask: Tensor, spoken: Tensor) -> Tensor:
    """A number for each utterance, a function of its tokens and of those of all utterances before it.

    Args:
        tokens: (B U, L), tokens before padding.
        mask: True for tokens (B U, L).
        spoken: Whether there is an utterance (B, U).

    Returns:
        int64 (B U,).
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    own = ((tokens + 1) * mask * places * places).sum(1).view(spoken.shape)
    turn = spoken.cumsum(1)
    return (own * spoken * turn * turn).cumsum(1).flatten()
