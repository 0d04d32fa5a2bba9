"""Trees that a recursive autoencoder grows by itself: always join the two neighbours it can reconstruct best.

Socher et al. 2011 (Semi-supervised recursive autoencoders for predicting sentiment distributions, section 2.3): of all
pairs of neighbours the one with the least reconstruction error gets a parent, which takes their place, until one node
is left. All sentences of a batch take one such step at a time. Only the two pairs that a join makes new are computed
anew, so that a sentence of L words costs 3 L pairs and not L^2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PairScorer = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From two children side by side (n, 2 D) and the words below each (n, 2) to parents (n, D) and errors (n,)."""


def grow_trees(words: Tensor, lengths: Tensor, score: PairScorer) -> tuple[Tensor, Tensor]:
    """Choose a binary tree for each sentence.

    Args:
        words: Vectors of the words (B, L, D), padding behind them.
        lengths: Their number (B,).
        score: Computes parents of pairs, and how badly they are reconstructed.

    Returns:
        Numbers of the left and of the right children (B, 2 L - 1), 0 where there are none. Word i is node L - 1 + i;
        the node of the t-th join is L - 2 - t, so that children have greater numbers than their parents; the root of a
        sentence of n words is node L - n.
    """
    batch, length, size = words.shape
    nowhere = length  # a place for whatever has no neighbour, and for sentences that are done
    device = words.device
    places = torch.arange(length + 1, device=device).expand(batch, -1)
    inside = places + 1 < lengths[:, None]
    following = torch.where(inside, places + 1, nowhere)
    previous = torch.where((places > 0) & (places < lengths[:, None]), places - 1, nowhere)
    node = length - 1 + places  # which node stands at a place
    count = torch.ones(batch, length + 1, dtype=words.dtype, device=device)  # words below it
    states = torch.cat([words, words.new_zeros(batch, 1, size)], dim=1)  # (B, L + 1, D)
    left = torch.zeros(batch, 2 * length - 1, dtype=torch.int64, device=device)
    right = torch.zeros_like(left)
    parents, errors = _score_pairs(states, count, places, following, score)  # (B, L + 1, D), (B, L + 1)

    for step in range(length - 1):
        best, chosen = errors.min(1)  # ties go to the left
        is_open = best.isfinite()[:, None]  # (B, 1)
        first = torch.where(is_open, chosen[:, None], nowhere)
        second = following.gather(1, first)
        joined = length - 2 - step
        left[:, joined] = torch.where(is_open, node.gather(1, first), 0)[:, 0]
        right[:, joined] = torch.where(is_open, node.gather(1, second), 0)[:, 0]

        parent = parents.gather(1, first[:, :, None].expand(-1, -1, size))
        states = states.scatter(1, first[:, :, None].expand(-1, -1, size), parent)
        count = count.scatter(1, first, count.gather(1, first) + count.gather(1, second))
        node = node.scatter(1, first, joined)
        after = following.gather(1, second)
        following = following.scatter(1, first, after).scatter(1, second, nowhere)
        previous = previous.scatter(1, after, first)
        previous[:, nowhere] = nowhere
        following[:, nowhere] = nowhere

        changed = torch.cat([first, previous.gather(1, first)], dim=1)  # the pairs that begin here are new
        new_parents, new_errors = _score_pairs(states, count, changed, following.gather(1, changed), score)
        parents = parents.scatter(1, changed[:, :, None].expand(-1, -1, size), new_parents)
        errors = errors.scatter(1, second, torch.inf).scatter(1, changed, new_errors)
        errors[:, nowhere] = torch.inf
    return left, right


def _score_pairs(
    states: Tensor, count: Tensor, first: Tensor, second: Tensor, score: PairScorer
) -> tuple[Tensor, Tensor]:
    """Parents (B, n, D) and errors (B, n) of pairs of places (B, n); infinite where there is no second."""
    size = states.shape[2]
    children = torch.cat([states.gather(1, one[:, :, None].expand(-1, -1, size)) for one in (first, second)], dim=2)
    counts = torch.stack([count.gather(1, first), count.gather(1, second)], dim=2)  # (B, n, 2)
    parents, errors = score(children.flatten(0, 1), counts.flatten(0, 1))
    errors = errors.view(first.shape).masked_fill(second == states.shape[1] - 1, torch.inf)
    return parents.view(*first.shape, size).to(states.dtype), errors  # autocast may have made them another
