"""Total variation of pictures: what pixels differ from their neighbours."""

from __future__ import annotations

from torch import Tensor


def total_variation_of(pictures: Tensor) -> Tensor:
    """The sum of absolute differences between neighbouring pixels of each picture (Rudin, Osher and Fatemi 1992).

    Args:
        pictures: `(N, C, H, W)`.

    Returns:
        Neighbours to the right and below, over all channels, `(N,)`.
    """
    down = (pictures[:, :, 1:] - pictures[:, :, :-1]).abs().sum(dim=(1, 2, 3))
    right = (pictures[:, :, :, 1:] - pictures[:, :, :, :-1]).abs().sum(dim=(1, 2, 3))
    return down + right
