"""Augmentation of image batches, on the device, as a pure function of (seed, epoch, row).

Random numbers come from a counter, not from a generator: the draw of one picture depends on nothing but its row, the
epoch and the seed. Order of the batch, number of processes and a resume change nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from .counter_random import counter_uniform
from .errors import OptionError, did_you_mean
from .mixup import draw_partners, mix

__all__ = ["Augmentation", "AugmentationFields", "counter_uniform"]


@dataclass(frozen=True)
class AugmentationFields(ABC):
    """What every augmentation shares: numbers by name, checked, from and to a recipe; each does nothing at its default.

    Attributes:
        kind: The name in `tsugiki.plugin.Plugin.augmentations` of one that a plugin brings; empty for the core's.

    Raises:
        OptionError: A field is no number, negative, or one of those below 1 and not so.
    """

    kind: ClassVar[str] = ""
    _below_1: ClassVar[tuple[str, ...]] = ()  # fields that are fractions, by name

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            is_flag = isinstance(item.default, bool)
            if (isinstance(value, bool) and not is_flag) or not isinstance(value, int | float):
                raise OptionError(f"augmentation: {item.name} must be a number, not {value!r}")
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"augmentation: {item.name} = {value} must not be negative")
            if item.name in self._below_1 and value >= 1:
                raise OptionError(f"augmentation: {item.name} = {value} must be below 1")

    @abstractmethod
    def __call__(self, batch: dict[str, Any], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Any]:
        """Change a raw batch, as a pure function of seed, epoch and row; see `tsugiki.tensor_table.RowAugmentation`.

        Args:
            batch: Raw columns, boxes and the like among them.
            rows: Ids of the rows (B,).
            epoch: Epoch number.
            seed: Seed.
        """

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Self | None:
        """Read a mapping such as a recipe's; None or an empty one means no augmentation.

        Raises:
            OptionError: A field is unknown or out of range.
        """
        if not values:
            return None
        names = [item.name for item in fields(cls)]
        for name in values:
            if name not in names:
                raise OptionError(f"augmentation: unknown field {name!r}.{did_you_mean(name, names)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The kind, where a plugin brings it, and the fields that differ from their defaults."""
        named = {"kind": self.kind} if self.kind else {}
        return named | {
            item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default
        }


@dataclass(frozen=True)
class Augmentation(AugmentationFields):
    """Random changes of training pictures; a field at its default does nothing.

    Attributes:
        flip: Mirror left and right with probability one half.
        pad_crop: Pad by this many pixels on each side and cut a window of the old size (He et al. 2015, section 4.2).
        degrees: Rotate by up to this angle either way.
        translate: Shift by up to this fraction of the side either way.
        scale: Zoom by up to this fraction either way.
        shear: Shear by up to this angle in degrees either way.
        brightness: Multiply by a factor within this fraction of 1.
        contrast: Stretch about the picture's mean by a factor within this fraction of 1.
        saturation: Stretch the colours about gray by a factor within this fraction of 1.
        cutout: Blank a square of this side at a random place (DeVries and Taylor 2017).
        mixup: Lay each picture over another, with shares from Beta(mixup, mixup) (Zhang et al. 2017); at most 1.
            See `tsugiki.mixup`.

    The raw column ``pixel_values`` is (B, C, H, W) in the range 0..255, uint8 or float; so is the result.
    """

    flip: bool = False
    pad_crop: int = 0
    degrees: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    cutout: int = 0
    mixup: float = 0.0

    _below_1 = ("translate", "scale", "brightness", "contrast", "saturation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixup > 1:
            raise OptionError(f"augmentation: mixup = {self.mixup} must be at most 1")

    def __call__(self, batch: dict[str, Tensor], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Tensor]:
        """Augment ``pixel_values`` of a raw batch; other columns pass through.

        Args:
            batch: Raw columns.
            rows: Ids of the rows (B,).
            epoch: Epoch number.
            seed: Seed.
        """
        pixels = batch["pixel_values"]  # (B, C, H, W)

        def uniform(stream: int, draws: int) -> Tensor:
            return counter_uniform(rows, draws, seed=seed, epoch=epoch, stream=stream)

        if self.pad_crop or self.flip:
            pixels = self._crop_and_flip(pixels, uniform(0, 3))
        if self.degrees or self.translate or self.scale or self.shear:
            pixels = self._affine(pixels.float(), uniform(1, 5) * 2 - 1)
        if self.brightness or self.contrast:
            pixels = self._light(pixels.float(), uniform(2, 2) * 2 - 1)
        if self.saturation:
            pixels = self._saturation(pixels.float(), uniform(4, 1) * 2 - 1)
        if self.cutout:
            pixels = self._cutout(pixels, uniform(3, 2))
        return {**batch, "pixel_values": pixels}

    def partners(self, rows: Tensor, *, count: int, epoch: int, seed: int) -> Tensor | None:
        """Row numbers (B, 1) of the pictures that mixup lays over others; None without it."""
        return draw_partners(rows, count, self.mixup, seed=seed, epoch=epoch)[0][:, None] if self.mixup else None

    def join(
        self,
        batch: dict[str, Tensor],
        partners: Sequence[dict[str, Tensor]],
        *,
        rows: Tensor,
        epoch: int,
        seed: int,
        classes: int,
    ) -> dict[str, Tensor]:
        """Mix pictures and labels; both batches are augmented."""
        _, shares = draw_partners(rows, 1, self.mixup, seed=seed, epoch=epoch)
        return mix(batch, partners[0], shares, classes)

    def _crop_and_flip(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """Both as one gather: which source row and column each target pixel is read from."""
        height, width = pixels.shape[-2:]
        pad = self.pad_crop
        offsets = (draws[:, :2] * (2 * pad + 1)).long()  # (B, 2)
        source_y = torch.arange(height, device=pixels.device) + offsets[:, :1]  # (B, H)
        source_x = torch.arange(width, device=pixels.device) + offsets[:, 1:]  # (B, W)
        if self.flip:
            source_x = torch.where(draws[:, 2:] < 0.5, source_x.flip(1), source_x)
        padded = F.pad(pixels, (pad, pad, pad, pad)) if pad else pixels
        flat = padded.flatten(2)  # (B, C, H' * W')
        index = (source_y[:, :, None] * padded.shape[-1] + source_x[:, None, :]).flatten(1)  # (B, H * W)
        return flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1)).view_as(pixels)

    def _affine(self, pixels: Tensor, draws: Tensor) -> Tensor:
        angle = draws[:, 0] * math.radians(self.degrees)
        zoom = 1 + draws[:, 1] * self.scale
        shear = torch.tan(draws[:, 2] * math.radians(self.shear))
        shift = draws[:, 3:5] * self.translate * 2  # in the sampling grid's units: the side is 2
        cos, sin = angle.cos() * zoom, angle.sin() * zoom
        aspect = pixels.shape[-1] / pixels.shape[-2]
        theta = torch.stack(
            [
                torch.stack([cos, (shear * cos - sin) / aspect, shift[:, 0]], 1),
                torch.stack([sin * aspect, shear * sin + cos, shift[:, 1]], 1),
            ],
            1,
        )  # (B, 2, 3)
        grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _light(self, pixels: Tensor, draws: Tensor) -> Tensor:
        factors = 1 + draws * torch.tensor([self.brightness, self.contrast], device=draws.device)  # (B, 2)
        brightness, contrast = (factor.view(-1, 1, 1, 1) for factor in factors.unbind(1))
        pixels = pixels * brightness
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        return ((pixels - mean) * contrast + mean).clamp(0, 255)

    def _saturation(self, pixels: Tensor, draws: Tensor) -> Tensor:
        factor = (1 + draws * self.saturation)[:, :, None, None]  # (B, 1, 1, 1)
        gray = pixels.mean(dim=1, keepdim=True)
        return ((pixels - gray) * factor + gray).clamp(0, 255)

    def _cutout(self, pixels: Tensor, draws: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        top = (draws[:, :1] * height).long() - self.cutout // 2  # (B, 1); the square may reach over the border
        left = (draws[:, 1:] * width).long() - self.cutout // 2
        y = torch.arange(height, device=pixels.device) - top  # (B, H)
        x = torch.arange(width, device=pixels.device) - left  # (B, W)
        inside = ((y >= 0) & (y < self.cutout))[:, :, None] & ((x >= 0) & (x < self.cutout))[:, None, :]
        return pixels.masked_fill(inside[:, None], 0)
