"""Seed patches and their changes: what an Exemplar-CNN learns from (Dosovitskiy et al. 2014, section 2.1).

A seed patch is a square window of a picture, drawn where the picture changes. A view of it is the same patch elsewhere,
larger or smaller, turned, with other contrast and colours: all of one surrogate class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from tsugiki.augmentation import counter_uniform
from tsugiki.tensor_table import Batch

# Section 2.1 of the paper gives these ranges.
TRANSLATION = 0.2  # of the patch's side, either way
SCALE = (0.7, 1.4)
DEGREES = 20.0  # either way
COMPONENT_FACTOR = (0.5, 2.0)  # of each principal component of the pixels' colours
POWER = (0.25, 4.0)  # of saturation and of value
FACTOR = (0.7, 1.4)  # of saturation and of value
OFFSET = 0.1  # added to saturation, to value and to hue, either way; all three run from 0 to 1
DRAWS = 14


@dataclass(frozen=True)
class ColorComponents:
    """The colours of a set of pictures: their mean (C,) and principal directions (C, C), one a column; in 0..255."""

    mean: Tensor
    directions: Tensor

    @classmethod
    def of(cls, pictures: Tensor) -> ColorComponents:
        """Of all pixels of pictures (N, C, H, W)."""
        pixels = pictures.transpose(0, 1).flatten(1).double()  # (C, N * H * W)
        mean = pixels.mean(1)
        directions = torch.linalg.eigh(torch.cov(pixels).view(len(mean), len(mean)))[1]
        return cls(mean.float(), directions.float())


@dataclass(frozen=True)
class ExemplarViews:
    """Turns seed patches into views, as a pure function of seed, epoch and row.

    Attributes:
        patch_size: Side of a seed patch, in pixels of its picture.
        view_size: Side of a view, in pixels.
        components: The colours of the pictures.
    """

    patch_size: int
    view_size: int
    components: ColorComponents

    def __call__(self, batch: Batch, *, rows: Tensor, epoch: int, seed: int) -> Batch:
        """Make one view a row.

        Args:
            batch: ``pixel_values`` (B, C, H, W) in 0..255, the whole pictures; ``corner`` (B, 2), the row and column
                at which each patch begins; other columns pass through.
            rows: Ids of the rows (B,).
            epoch: Epoch number.
            seed: Seed.

        Returns:
            ``pixel_values`` float32 (B, C, view_size, view_size) in 0..255 and the other columns.
        """
        rest = {name: column for name, column in batch.items() if name not in ("pixel_values", "corner")}
        draws = counter_uniform(rows, DRAWS, seed=seed, epoch=epoch)  # (B, 14)
        views = self._moved(batch["pixel_values"].float(), batch["corner"].float(), draws[:, :4])
        views = self._contrasted(views, draws[:, 4:7])
        if views.shape[1] == 3:
            views = recolor(views, draws[:, 7:])
        return {"pixel_values": views, **rest}

    def _moved(self, pictures: Tensor, corner: Tensor, draws: Tensor) -> Tensor:
        """Read the patches elsewhere, at another size and angle; beyond the border the picture is mirrored."""
        sides = torch.tensor(pictures.shape[:1:-1], device=pictures.device)  # width, height
        middle = corner.flip(1) + self.patch_size / 2 + (2 * draws[:, :2] - 1) * TRANSLATION * self.patch_size
        half = self.patch_size / 2 * between(SCALE, draws[:, 2])  # (B,)
        angle = (2 * draws[:, 3] - 1) * math.radians(DEGREES)
        cos, sin = angle.cos() * half, angle.sin() * half
        rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (B, 2, 2) in pixels
        # The sampling grid's units: a side is 2, its middle 0.
        theta = torch.cat([rotation * (2 / sides).view(1, 2, 1), (2 * middle / sides - 1)[:, :, None]], 2)  # (B, 2, 3)
        shape = [len(pictures), pictures.shape[1], self.view_size, self.view_size]
        grid = F.affine_grid(theta, shape, align_corners=False)
        return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def _contrasted(self, views: Tensor, draws: Tensor) -> Tensor:
        """Stretch each principal component of the colours by its own factor (the paper's first change of contrast)."""
        mean = self.components.mean.to(views.device).view(1, -1, 1, 1)
        directions = self.components.directions.to(views.device)
        factors = between(COMPONENT_FACTOR, draws[:, : len(directions)])  # (B, C)
        stretch = torch.einsum("ic,bc,jc->bij", directions, factors, directions)  # (B, C, C)
        return (torch.einsum("bij,bjhw->bihw", stretch, views - mean) + mean).clamp(0, 255)


def between(limits: tuple[float, float], draws: Tensor) -> Tensor:
    """Draws in [0, 1) to factors between two limits, uniform in their logarithm: twice is as likely as half."""
    low, high = limits
    return low * (high / low) ** draws


def recolor(views: Tensor, draws: Tensor) -> Tensor:
    """Change hue, saturation and value (the paper's second change of contrast, and its change of colour).

    Args:
        views: Colours in 0..255 (B, 3, H, W).
        draws: In [0, 1), seven a view (B, 7).

    Returns:
        Colours in 0..255 (B, 3, H, W).
    """
    hue, rest = rgb_to_hsv(views / 255).split([1, 2], dim=1)  # (B, 1, H, W), (B, 2, H, W)

    def a_view(values: Tensor) -> Tensor:
        return values[:, :, None, None]

    rest = rest ** a_view(between(POWER, draws[:, :2]))
    rest = rest * a_view(between(FACTOR, draws[:, 2:4])) + a_view((2 * draws[:, 4:6] - 1) * OFFSET)
    hue = (hue + a_view((2 * draws[:, 6:] - 1) * OFFSET)) % 1
    return 255 * hsv_to_rgb(torch.cat([hue, rest.clamp(0, 1)], dim=1))


def rgb_to_hsv(colors: Tensor) -> Tensor:
    """Red, green and blue (B, 3, H, W) in 0..1 to hue, saturation and value in 0..1; gray has the hue 0."""
    value, largest = colors.max(1)
    span = value - colors.amin(1)
    red, green, blue = colors.unbind(1)
    divisor = span.clamp(min=1e-8)
    hue = torch.where(
        largest == 0,
        (green - blue) / divisor,
        torch.where(largest == 1, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    return torch.stack([hue / 6 % 1, span / value.clamp(min=1e-8), value], dim=1)


def hsv_to_rgb(colors: Tensor) -> Tensor:
    """Hue, saturation and value (B, 3, H, W) in 0..1 to red, green and blue in 0..1."""
    hue, saturation, value = colors.unbind(1)
    channels = []
    for corner in (5, 3, 1):
        place = (corner + 6 * hue) % 6
        channels.append(value - value * saturation * torch.minimum(place, 4 - place).clamp(0, 1))
    return torch.stack(channels, dim=1)


def draw_corners(pictures: Tensor, patch_size: int, generator: torch.Generator) -> Tensor:
    """Draw one patch a picture, with a chance proportional to the mean squared gradient within it.

    Args:
        pictures: (N, C, H, W), on the CPU.
        patch_size: Side of the patch in pixels, at most that of the picture.
        generator: What is drawn from.

    Returns:
        Row and column at which each patch begins, int64 (N, 2).
    """
    corners = []
    for chunk in pictures.split(1024):
        gray = chunk.float().mean(1, keepdim=True)
        padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
        along = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        chances = F.avg_pool2d(along**2 + down**2, patch_size, stride=1)  # (n, 1, H - P + 1, W - P + 1)
        # A flat picture has no gradients: all of its patches are as good then.
        drawn = torch.multinomial(chances.flatten(1) + 1e-6, 1, generator=generator)[:, 0]
        columns = chances.shape[-1]
        corners.append(torch.stack([drawn // columns, drawn % columns], 1))
    return torch.cat(corners)
