"""Random numbers from a counter, not from a generator: a draw depends on nothing but its seed, epoch, stream and row.

Order of the batch, number of processes and a resume change nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _splitmix64(state: Tensor) -> Tensor:
    """SplitMix64's output function (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators)."""
    state = (state ^ _shift_right(state, 30)) * _MIX_1
    state = (state ^ _shift_right(state, 27)) * _MIX_2
    return state ^ _shift_right(state, 31)


def counter_uniform(rows: Tensor, draws: int, *, seed: int, epoch: int, stream: int = 0) -> Tensor:
    """Uniform numbers in [0, 1) that depend on (seed, epoch, stream, row, draw) alone.

    Args:
        rows: int64 row ids (B,).
        draws: Numbers per row.
        seed: Any integer.
        epoch: Epoch number.
        stream: Distinguishes the users of one (seed, epoch, row).

    Returns:
        float32 (B, draws) on the device of `rows`.
    """
    key = torch.tensor([seed, epoch, stream], dtype=torch.int64, device=rows.device)
    state = torch.zeros((), dtype=torch.int64, device=rows.device)
    for part in key:
        state = _splitmix64((state ^ part) + _GOLDEN)
    state = _splitmix64((state ^ rows.to(torch.int64)) + _GOLDEN)  # (B,)
    counter = torch.arange(1, draws + 1, device=rows.device, dtype=torch.int64) * _GOLDEN  # (draws,)
    bits = _splitmix64(state[:, None] + counter)  # (B, draws)
    return _shift_right(bits, 40).to(torch.float32) * (1.0 / (1 << 24))
