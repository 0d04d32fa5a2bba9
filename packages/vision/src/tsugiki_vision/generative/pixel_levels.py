"""Gray pictures as a few whole levels, and random numbers that belong to a picture instead of a run.

A likelihood of discrete pixels needs discrete pixels. Values between two levels are rounded to the nearer one, or up
with the probability of how far up they lie: for two levels that is the binarised MNIST of the literature (Salakhutdinov
and Murray 2008), where a pixel is white with the probability of its gray value.
"""

from typing import Literal

import torch
from torch import Tensor
from tsugiki.augmentation import counter_uniform

Rounding = Literal["sampled", "nearest"]

ROUNDING_STREAM = 0  # the users of a picture's random numbers
LATENT_STREAM = 1


def unit_pixels(pixels: Tensor) -> Tensor:
    """Pixels as float32 from 0 to 1: whole numbers from 0 to 255 are divided, others are cut off there."""
    if not pixels.is_floating_point():
        return pixels.float() / 255
    return pixels.float().clamp(0, 1)


def picture_uniform(pixel_values: Tensor, draws: int, stream: int) -> Tensor:
    """Uniform numbers that are a function of the picture alone, whatever its row, its batch and the machine.

    Args:
        pixel_values: Pictures from 0 to 1 (B, ...).
        draws: Numbers for each picture.
        stream: Tells apart what they are for.

    Returns:
        float32 in [0, 1) (B, draws).
    """
    gray = (unit_pixels(pixel_values).flatten(1) * 255).round().long()  # (B, N)
    places = torch.arange(1, gray.shape[1] + 1, device=gray.device)
    return counter_uniform((gray * places * places).sum(1), draws, seed=0, epoch=0, stream=stream)


def picture_normal(pixel_values: Tensor, draws: int, stream: int) -> Tensor:
    """Standard normal numbers, as `picture_uniform`: float32 (B, draws)."""
    uniform = picture_uniform(pixel_values, draws, stream).double() + 2.0**-25  # the middle of each of 2^24 steps
    return torch.special.ndtri(uniform).float()


def rounding_draws(pixel_values: Tensor, rounding: Rounding, training: bool) -> Tensor:
    """What is added to pixels before they are rounded down, in the shape of `pixel_values` (B, C, H, W).

    A half rounds to the nearer level. For `sampled` it is uniform in [0, 1): drawn anew in training, and a function of
    the picture otherwise, so that a likelihood measured again is the same.
    """
    if rounding == "nearest":
        return torch.full_like(pixel_values, 0.5, dtype=torch.float32)
    if training:
        return torch.rand_like(pixel_values, dtype=torch.float32)
    return picture_uniform(pixel_values, pixel_values[0].numel(), ROUNDING_STREAM).view(pixel_values.shape)


def to_levels(pixels: Tensor, levels: int, draws: Tensor) -> Tensor:
    """Round pixels to levels.

    Args:
        pixels: From 0 to 1, or whole numbers from 0 to 255 (B, C, H, W).
        levels: How many there are, at least 2.
        draws: As `rounding_draws` gives them (B, C, H, W).

    Returns:
        int64 from 0 to `levels` - 1 (B, C, H, W).
    """
    return (unit_pixels(pixels) * (levels - 1) + draws).floor().clamp(0, levels - 1).long()
