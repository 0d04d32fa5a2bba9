"""Mixup (Zhang, Cisse, Dauphin and Lopez-Paz 2017): two pictures laid over each other, and their labels likewise.

The partner of a row and the shares of both are drawn from the same counter as the rest of the augmentation, so they are
a function of (seed, epoch, row) and of the table that the partners come from.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .counter_random import counter_uniform

_TRIES = 24  # at alpha = 1 each try fails with probability one half
_PARTNERS, _SHARES = 16, 17  # streams of the counter


def draw_partners(rows: Tensor, count: int, alpha: float, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Whom each row is mixed with, and how much of itself stays.

    Args:
        rows: Ids of the rows (B,).
        count: Rows to choose partners from.
        alpha: Of the Beta(alpha, alpha) distribution of the shares, above 0 and at most 1.
        seed: Seed.
        epoch: Epoch number.

    Returns:
        Partners int64 (B,) below `count`, and shares float64 (B,) in 0..1.
    """
    partners = (counter_uniform(rows, 1, seed=seed, epoch=epoch, stream=_PARTNERS)[:, 0] * count).long()
    # Joehnk 1964: X = U^(1/a), Y = V^(1/a) give X / (X + Y) ~ Beta(a, a) where X + Y <= 1; the first such pair counts.
    draws = counter_uniform(rows, 2 * _TRIES, seed=seed, epoch=epoch, stream=_SHARES).double()
    x, y = (draws.view(len(rows), _TRIES, 2).clamp_min(1e-12).log() / alpha).exp().unbind(2)  # (B, tries) each
    first = ((x + y) <= 1).to(torch.uint8).argmax(1, keepdim=True)
    x, y = x.gather(1, first)[:, 0], y.gather(1, first)[:, 0]
    # Where both powers fall below what a number can hold, one of the two is everything.
    shares = torch.where(x + y > 0, x / (x + y), (draws[:, 0] > draws[:, 1]).double())
    return partners, shares


def mix(batch: dict[str, Tensor], other: dict[str, Tensor], shares: Tensor, classes: int) -> dict[str, Tensor]:
    """Mix the pictures and labels of two batches row by row.

    Args:
        batch: ``pixel_values`` (B, C, H, W) and ``labels`` int64 (B,); other columns are kept.
        other: Likewise.
        shares: How much of `batch` stays (B,).
        classes: Number of classes.

    Returns:
        The batch with float ``pixel_values`` and with ``labels`` as probabilities (B, classes).
    """
    shares = shares.float()
    share = shares.view(-1, 1, 1, 1)
    pixels = share * batch["pixel_values"].float() + (1 - share) * other["pixel_values"].float()
    first, second = (F.one_hot(one["labels"], classes).float() for one in (batch, other))
    return {**batch, "pixel_values": pixels, "labels": shares[:, None] * first + (1 - shares[:, None]) * second}
