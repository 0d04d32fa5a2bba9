"""Augmentation of pictures whose points move along; in a mirror a left eye becomes a right one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from tsugiki.augmentation import Augmentation, AugmentationFields, counter_uniform
from tsugiki.errors import OptionError

_STREAM = 60  # of the draws, apart from those of `Augmentation`


@dataclass(frozen=True)
class LandmarkAugmentation(AugmentationFields):
    """Random changes of training pictures with points; a field at its default does nothing.

    Attributes:
        degrees: Rotate by up to this angle either way.
        zoom: Enlarge or shrink by up to this fraction either way.
        translate: Shift by up to this fraction of the side either way.
        brightness: Multiply by a factor within this fraction of 1.
        contrast: Stretch about the picture's mean by a factor within this fraction of 1.
        mirrored: Mirror with probability one half; for each point the number of the one that it becomes.

    The raw columns are ``pixel_values`` (B, C, H, W) in the range 0..255 and ``labels`` (B, L, 3).
    """

    kind: ClassVar[str] = "landmarks"

    degrees: float = 0.0
    zoom: float = 0.0
    translate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    mirrored: tuple[int, ...] = field(default=())

    _below_1 = ("zoom", "translate", "brightness", "contrast")

    def __post_init__(self) -> None:
        points = tuple(self.mirrored) if isinstance(self.mirrored, list | tuple) else None
        if points is None or sorted(points) != list(range(len(points))):
            raise OptionError(f"augmentation: mirrored must name every landmark once, not {self.mirrored!r}")
        object.__setattr__(self, "mirrored", points)
        for name in ("degrees", *self._below_1):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise OptionError(f"augmentation: {name} must be a number of at least 0, not {value!r}")
            if name in self._below_1 and value >= 1:
                raise OptionError(f"augmentation: {name} = {value} must be below 1")

    def to_dict(self) -> dict[str, Any]:
        """See `AugmentationFields.to_dict`; a recipe writes points as a list."""
        found = super().to_dict()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def __call__(self, batch: dict[str, Any], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Any]:
        """Augment pictures and points of a raw batch; see `AugmentationFields`."""
        light = Augmentation(brightness=self.brightness, contrast=self.contrast)
        changed = light(batch, rows=rows, epoch=epoch, seed=seed)
        pixels, labels = changed["pixel_values"], changed["labels"].clone()
        if self.mirrored and len(self.mirrored) != labels.shape[1]:
            raise OptionError(f"augmentation: mirrored names {len(self.mirrored)} of {labels.shape[1]} landmarks")
        draws = counter_uniform(rows, 5, seed=seed, epoch=epoch, stream=_STREAM)
        if self.degrees or self.zoom or self.translate:
            signed = 2 * draws - 1
            angle = signed[:, 0] * math.radians(self.degrees)
            scale = (1 + self.zoom) ** signed[:, 1]
            pixels, labels = _moved(pixels.float(), labels, angle, scale, signed[:, 2:4] * self.translate)
        if self.mirrored:
            turned = draws[:, 4] < 0.5
            pixels = torch.where(turned[:, None, None, None], pixels.flip(3), pixels)
            other = labels[:, list(self.mirrored)].clone()
            other[..., 0] = 1 - other[..., 0]
            labels = torch.where(turned[:, None, None], other, labels)
        return {**changed, "pixel_values": pixels, "labels": labels}


def _moved(pixels: Tensor, labels: Tensor, angle: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and points turned about the middle by an angle (B,), enlarged by a scale (B,), then shifted (B, 2)."""
    height, width = pixels.shape[-2:]
    size = torch.tensor([width, height], dtype=torch.float32, device=pixels.device)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    forwards = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (B, 2, 2), in pixels
    places = (labels[..., :2] - 0.5) * size
    labels = labels.clone()
    labels[..., :2] = (places @ forwards.transpose(1, 2)) / size + 0.5 + shift[:, None]
    # Where each pixel comes from, in the units of `affine_grid`, whose sides are 2.
    back = torch.linalg.inv(forwards) * size[None, None, :] / size[None, :, None]
    offset = -(back @ (2 * shift)[..., None])
    grid = F.affine_grid(torch.cat([back, offset], 2), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False), labels
