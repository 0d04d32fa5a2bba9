"""Pooling maps of any size to a grid of a fixed one, in PyTorch and in an exported graph.

Bin i of n over a side of length w reaches from floor(i w / n) to ceil((i + 1) w / n): bins overlap where w is no
multiple of n, and none is empty, however small the map.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pooling = Literal["max", "average"]


def adaptive_pool(maps: Tensor, bins: int, pooling: Pooling = "average") -> Tensor:
    """From maps `(N, C, H, W)` to `(N, C, bins, bins)`: the maximum or the mean of each bin."""
    if torch.jit.is_tracing():  # ONNX has no adaptive pooling; slices stay right when the size changes later
        return _pool_side(_pool_side(maps, 2, bins, pooling), 3, bins, pooling)
    return F.adaptive_max_pool2d(maps, bins) if pooling == "max" else F.adaptive_avg_pool2d(maps, bins)


def _pool_side(maps: Tensor, side: int, bins: int, pooling: Pooling) -> Tensor:
    """Bins along one side; the maximum over a bin, and its mean, are those over its rows, then its columns."""
    length = maps.shape[side]
    parts = []
    for number in range(bins):
        start, end = number * length // bins, ((number + 1) * length + bins - 1) // bins
        part = maps[:, :, start:end] if side == 2 else maps[:, :, :, start:end]
        parts.append(part.amax(side) if pooling == "max" else part.mean(side))
    return torch.stack(parts, dim=side)


class AdaptivePooling(nn.Module):
    """`adaptive_pool` as a layer.

    Args:
        bins: Places a side of the grid.
        pooling: What is kept of a bin: its maximum or its mean.
    """

    def __init__(self, bins: int, pooling: Pooling = "average") -> None:
        super().__init__()
        self.bins = bins
        self.pooling: Pooling = pooling

    def forward(self, maps: Tensor) -> Tensor:
        """From `(N, C, H, W)` to `(N, C, bins, bins)`."""
        return adaptive_pool(maps, self.bins, self.pooling)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"bins={self.bins}, pooling={self.pooling!r}"
