"""Augmentation of pictures with masks: what moves the pixels of a picture moves their classes too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from tsugiki.augmentation import Augmentation, AugmentationFields
from tsugiki.counter_random import counter_uniform
from tsugiki.tensor_table import IGNORED

from ..detectors.box_augmentation import LEAST_SHARE
from .instance_labels import object_numbers

_FLIP, _TURN, _SCALE, _ELASTIC, _CROP = range(
    16, 21
)  # streams that the core's augmentation of pictures does not draw from
_MOVED = ("pixel_values", "labels")
_KNOTS = 3  # a side of the grid that an elastic deformation is drawn on (Ronneberger et al. 2015, section 3.1)


@dataclass(frozen=True)
class SegmentationAugmentation(AugmentationFields):
    """Random changes of training pictures and their masks; a field at its default does nothing.

    Attributes:
        flip: Mirror left and right with probability one half.
        flip_vertical: Mirror top and bottom with probability one half.
        turn: Turn by a multiple of 90 degrees, each alike; by 180 alone where pictures are not square.
        scale: Enlarge or shrink by a factor of up to 1 + scale: enlarged, a window at a random place is seen; shrunk,
            the border is mirrored.
        elastic: Deform smoothly: displacements of this standard deviation in pixels at the knots of a grid of 3 by 3,
            10 in the U-Net paper, with cubic interpolation between them.
        crop: See only a square window of this many pixels a side, at a random place; smaller pictures stay whole.
            A network for pictures of any size learns from such windows in a fraction of the time.
        brightness: Multiply by a factor within this fraction of 1.
        contrast: Stretch about the picture's mean by a factor within this fraction of 1.

    The raw columns are ``pixel_values`` (B, C, H, W) in the range 0..255 and ``labels`` (B, H, W), which take the
    nearest pixel. Labels of 8 bits are classes. Labels int32 number objects, see
    `tsugiki_detection.segmentation.instance_labels`; of these, mirrored pixels ask for nothing, for they would join two
    objects to one, and neither do objects of which less than `LEAST_SHARE` is left in the picture.
    """

    kind: ClassVar[str] = "segmentation"

    flip: bool = False
    flip_vertical: bool = False
    turn: bool = False
    scale: float = 0.0
    elastic: float = 0.0
    crop: int = 0
    brightness: float = 0.0
    contrast: float = 0.0

    _below_1 = ("brightness", "contrast")

    def __call__(self, batch: dict[str, Any], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Any]:
        """Augment ``pixel_values`` and ``labels`` of a raw batch alike; other columns pass through."""

        def uniform(stream: int, draws: int) -> Tensor:
            return counter_uniform(rows, draws, seed=seed, epoch=epoch, stream=stream)

        moved: dict[str, Tensor] = {name: batch[name] for name in _MOVED if name in batch}
        flips = uniform(_FLIP, 2) < 0.5  # (B, 2)
        for wanted, draw, side in ((self.flip, flips[:, 0], -1), (self.flip_vertical, flips[:, 1], -2)):
            if wanted:
                moved = {name: _where(draw, value.flip(side), value) for name, value in moved.items()}
        if self.turn:
            moved = self._turned(moved, uniform(_TURN, 1)[:, 0])
        if self.scale or self.elastic:
            moved = self._resampled(moved, uniform)
        elif self.crop:
            moved = {name: self._window(value, uniform) for name, value in moved.items()}
        if (self.scale or self.crop) and "labels" in moved and moved["labels"].dtype == torch.int32:
            moved["labels"] = _without_rests(batch["labels"], moved["labels"], self._factors(uniform)[:, 0])
        batch = {**batch, **moved}
        if self.brightness or self.contrast:
            light = Augmentation(brightness=self.brightness, contrast=self.contrast)
            batch = light(batch, rows=rows, epoch=epoch, seed=seed)
        return batch

    def _turned(self, moved: dict[str, Tensor], draw: Tensor) -> dict[str, Tensor]:
        height, width = moved["pixel_values"].shape[2:]
        angles = (1, 2, 3) if height == width else (2,)
        chosen = (draw * (len(angles) + 1)).long()  # (B,); 0 leaves a picture as it is
        for number, angle in enumerate(angles, 1):
            moved = {
                name: _where(chosen == number, value.rot90(angle, (-2, -1)), value) for name, value in moved.items()
            }
            chosen = chosen.where(chosen != number, 0)
        return moved

    def _resampled(self, moved: dict[str, Tensor], uniform: Any) -> dict[str, Tensor]:
        pixels = moved["pixel_values"].float()
        grid = self._places(pixels, uniform)  # (B, H, W, 2), where each pixel comes from
        if self.crop:
            grid = self._window(grid.permute(0, 3, 1, 2), uniform).permute(0, 2, 3, 1)
        options: Any = {"padding_mode": "reflection", "align_corners": False}
        found = {"pixel_values": F.grid_sample(pixels, grid, mode="bilinear", **options)}
        if "labels" in moved:
            labels = moved["labels"]
            sampled = F.grid_sample(labels[:, None].float(), grid, mode="nearest", **options)
            found["labels"] = sampled[:, 0].round().to(labels.dtype)
            if labels.dtype == torch.int32:
                found["labels"] = found["labels"].masked_fill((grid.abs() > 1).any(-1), IGNORED)
        return found

    def _factors(self, uniform: Any) -> Tensor:
        """The side of the window that is seen, of each picture, as a share of the picture's (B, 1)."""
        return (1 + self.scale) ** (1 - 2 * uniform(_SCALE, 3)[:, :1])

    def _places(self, pixels: Tensor, uniform: Any) -> Tensor:
        count, _, height, width = pixels.shape
        draws = uniform(_SCALE, 3) * 2 - 1  # (B, 3)
        factor = self._factors(uniform)
        shift = draws[:, 1:] * (1 - factor).abs()  # in the grid's units: the side is 2
        theta = torch.zeros((count, 2, 3), device=pixels.device)
        theta[:, 0, 0], theta[:, 1, 1] = factor[:, 0], factor[:, 0]
        theta[:, :, 2] = shift
        grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
        if self.elastic:
            grid = grid + self._displacements(uniform, height, width)
        return grid

    def _window(self, values: Tensor, uniform: Any) -> Tensor:
        """A window (B, …, crop, crop) of values (B, …, H, W), at the same place in all that a row has."""
        height, width = values.shape[-2:]
        high, wide = min(self.crop, height), min(self.crop, width)
        draws = uniform(_CROP, 2)  # (B, 2)
        for place, (side, size) in enumerate(((height, high), (width, wide))):
            first = (draws[:, place] * (side - size + 1)).long()
            index = first[:, None] + torch.arange(size, device=values.device)  # (B, size)
            dimension = values.ndim - 2 + place
            shape = [len(values), *[1] * (values.ndim - 1)]
            shape[dimension] = size
            target = [*values.shape[:dimension], size, *values.shape[dimension + 1 :]]
            values = values.gather(dimension, index.view(shape).expand(target))
        return values

    def _displacements(self, uniform: Any, height: int, width: int) -> Tensor:
        """Smooth displacements (B, H, W, 2) in the grid's units."""
        draws = uniform(_ELASTIC, 4 * _KNOTS**2).clamp(min=1e-7)  # (B, 36)
        radius, angle = draws.chunk(2, dim=1)
        normal = (-2 * radius.log()).sqrt() * torch.cos(2 * torch.pi * angle)  # Box and Muller 1958, (B, 18)
        knots = self.elastic * normal.view(-1, 2, _KNOTS, _KNOTS)
        pixels = F.interpolate(knots, (height, width), mode="bicubic", align_corners=True)  # (B, 2, H, W)
        sides = torch.tensor([width, height], device=pixels.device)
        return pixels.permute(0, 2, 3, 1) * 2 / sides


def _without_rests(before: Tensor, after: Tensor, factors: Tensor) -> Tensor:
    """Labels of objects (B, H, W), those of which too little is left asking for nothing.

    Args:
        before: Labels of the whole pictures (B, H, W).
        after: Those of the windows (B, h, w).
        factors: By which a pixel's side has shrunk (B,).
    """
    rows = []
    for whole, part, factor in zip(before, after, factors.tolist(), strict=True):
        numbers = object_numbers(part)
        highest = int(numbers.max())
        pixels, left = (
            torch.bincount(one.flatten(), minlength=highest + 1)[: highest + 1]
            for one in (object_numbers(whole), numbers)
        )
        gone = left * factor**2 < LEAST_SHARE * pixels
        gone[0] = False
        rows.append(part.masked_fill(gone[numbers], IGNORED))
    return torch.stack(rows)


def _where(rows: Tensor, changed: Tensor, plain: Tensor) -> Tensor:
    """The changed values of some rows (B,), the plain ones of others."""
    return torch.where(rows.view(-1, *[1] * (plain.ndim - 1)), changed, plain)
