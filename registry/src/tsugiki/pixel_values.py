"""Checks of `pixel_values` at the border of a network: one sentence instead of an error from inside a convolution."""

from __future__ import annotations

import torch
from torch import Tensor


def check_picture(pixel_values: Tensor, num_channels: int, minimum_size: int = 1) -> None:
    """Refuse anything but pictures `(N, num_channels, H, W)` of at least `minimum_size` a side with a ValueError."""
    if torch.jit.is_tracing():  # sizes are tensors there, and a comparison would be baked into the graph
        return
    if pixel_values.ndim != 4 or pixel_values.shape[1] != num_channels:
        raise ValueError(
            f"pixel_values must be (N, {num_channels}, H, W), not {tuple(pixel_values.shape)}: "
            "prepare pictures with the image processor that belongs to this model."
        )
    if min(pixel_values.shape[2:]) < minimum_size:
        raise ValueError(
            f"pixel_values {tuple(pixel_values.shape)} are too small: this network takes pictures of at least "
            f"{minimum_size} pixels a side."
        )


def check_size(pixel_values: Tensor, num_channels: int, image_size: int) -> None:
    """Refuse anything but pictures `(N, num_channels, image_size, image_size)` with a ValueError."""
    if torch.jit.is_tracing():
        return
    if pixel_values.shape[1:] != (num_channels, image_size, image_size):
        raise ValueError(
            f"pixel_values must be (N, {num_channels}, {image_size}, {image_size}), not {tuple(pixel_values.shape)}: "
            "prepare pictures with the image processor that belongs to this model."
        )
