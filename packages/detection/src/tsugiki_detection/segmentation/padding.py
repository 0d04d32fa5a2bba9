"""Pictures of any size for networks that halve them several times: padded to a multiple, and what comes of it cut."""

import torch
from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(pictures: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of pictures `(N, C, H, W)` until both sides are multiples of a number."""
    height, width = pictures.shape[2:]
    below, right = -height % multiple, -width % multiple
    if torch.jit.is_tracing() or below or right:
        return F.pad(pictures, (0, right, 0, below), mode="replicate")
    return pictures


def cut_to(maps: Tensor, like: Tensor) -> Tensor:
    """The upper left part of maps `(N, C, H, W)` that has the sides of others; zeros where these are larger."""
    missing = [like.shape[side] - maps.shape[side] for side in (3, 2)]
    if torch.jit.is_tracing():
        return maps[:, :, : like.shape[2], : like.shape[3]]
    return F.pad(maps, (0, missing[0], 0, missing[1])) if any(missing) else maps
