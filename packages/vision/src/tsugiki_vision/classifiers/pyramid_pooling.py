"""Spatial pyramid pooling: a vector of the same length from maps of any size (He et al. 2014, section 2.2).

A level of the pyramid cuts a map into n x n bins and keeps one value of each. Bin i of n over a side of length w
reaches from floor(i w / n) to ceil((i + 1) w / n), as in the paper's appendix A: bins overlap where w is no multiple of
n, and none is empty, however small the map. Where the paper's sliding window of section 2.3 (side ceil(w / n), stride
floor(w / n)) gives n windows, these are the same bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tsugiki.adaptive_pooling import Pooling, adaptive_pool


class PyramidPooling(nn.Module):
    """Pool maps into the bins of a pyramid.

    Args:
        levels: Bins a side of each level, such as `(4, 2, 1)`.
        pooling: What is kept of a bin: its maximum or its mean.
    """

    def __init__(self, levels: Sequence[int], pooling: Pooling = "max") -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.pooling: Pooling = pooling

    def forward(self, maps: Tensor) -> Tensor:
        """From `(N, C, H, W)` to `(N, C * pyramid_bins(levels))`: level by level, channel by channel, row by row."""
        return torch.cat([adaptive_pool(maps, bins, self.pooling).flatten(1) for bins in self.levels], dim=1)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"levels={self.levels}, pooling={self.pooling!r}"


def pyramid_bins(levels: Sequence[int]) -> int:
    """Values that a pyramid keeps of each map: the squares of its levels added up."""
    return sum(bins**2 for bins in levels)
