"""Augmentation of pictures whose boxes move along: mirrored, turned over, zoomed, shifted, in other light, in mosaics.

All draws are a function of (seed, epoch, row), as `tsugiki.augmentation` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from tsugiki.augmentation import Augmentation, AugmentationFields, counter_uniform
from tsugiki.tensor_table import IGNORED

from ..boxes.box_formats import convert_boxes
from .box_labels import AREA, BOX, CLASS, is_object
from .letterbox_processor import LetterboxImageProcessor

LEAST_SHARE = 0.3  # of a box that must be left within the frame; else the object is no longer asked for
_STREAM = 40  # of the draws, apart from those of `Augmentation`


@dataclass(frozen=True)
class BoxAugmentation(AugmentationFields):
    """Random changes of training pictures with boxes; a field at its default does nothing.

    Attributes:
        flip: Mirror left and right with probability one half.
        turn_over: Mirror top and bottom with probability one half.
        zoom: Enlarge or shrink by up to this fraction either way.
        translate: Shift by up to this fraction of the side either way.
        brightness: Multiply by a factor within this fraction of 1.
        contrast: Stretch about the picture's mean by a factor within this fraction of 1.
        saturation: Stretch the colours about gray by a factor within this fraction of 1.
        mosaic: With this probability a picture becomes a window, drawn at random, into four pictures side by side
            (Bochkovskiy et al. 2020, YOLOv4, section 3.3); at most 1.

    The raw columns are ``pixel_values`` (B, C, H, W) in the range 0..255, and ``labels`` (B, M, 8) as
    `tsugiki_detection.detectors.box_labels` has them; so are the results, with M as many as the fullest row needs.
    """

    kind: ClassVar[str] = "boxes"

    flip: bool = False
    turn_over: bool = False
    zoom: float = 0.0
    translate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    mosaic: float = 0.0

    _below_1 = ("zoom", "translate", "brightness", "contrast", "saturation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mosaic > 1:
            from tsugiki.errors import OptionError

            raise OptionError(f"augmentation: mosaic = {self.mosaic} must be at most 1")

    def __call__(self, batch: dict[str, Any], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Any]:
        """Augment pictures and boxes of a raw batch; see `AugmentationFields`."""
        light = Augmentation(brightness=self.brightness, contrast=self.contrast, saturation=self.saturation)
        changed = light(batch, rows=rows, epoch=epoch, seed=seed)
        pixels, labels = changed["pixel_values"], changed["labels"]
        draws = counter_uniform(rows, 5, seed=seed, epoch=epoch, stream=_STREAM)  # (B, 5)
        if self.zoom or self.translate:
            scale = (1 + self.zoom) ** (2 * draws[:, 0] - 1)
            shift = self.translate * (2 * draws[:, 1:3] - 1)
            pixels = _zoomed(pixels.float(), scale, shift)
            corners = convert_boxes(labels[..., BOX], "cxcywh", "xyxy")
            offset = (0.5 - 0.5 * scale[:, None] + shift).repeat(1, 2)[:, None]  # (B, 1, 4)
            labels = _with_corners(labels, corners * scale[:, None, None] + offset)
        for wanted, draw, axis, column in ((self.flip, draws[:, 3], 3, 1), (self.turn_over, draws[:, 4], 2, 2)):
            if wanted:
                mirrored = draw < 0.5
                turned = mirrored.nonzero().flatten()
                pixels = pixels.index_copy(0, turned, pixels[turned].flip(axis))
                labels = labels.clone()
                place = labels[..., column]
                labels[..., column] = torch.where(mirrored[:, None], 1 - place, place)
        return {**changed, "pixel_values": pixels, "labels": labels}

    def partners(self, rows: Tensor, *, count: int, epoch: int, seed: int) -> Tensor | None:
        """Row numbers (B, 3) of the pictures beside each, -1 where it stands alone; None without mosaics."""
        if not self.mosaic:
            return None
        draws = counter_uniform(rows, 3, seed=seed, epoch=epoch, stream=_STREAM + 1)
        partners = (draws * count).long().clamp(max=count - 1)
        return torch.where(self._joins(rows, epoch, seed)[:, :1] < self.mosaic, partners, -1)

    @staticmethod
    def _joins(rows: Tensor, epoch: int, seed: int) -> Tensor:
        """Draws (B, 3) of whether a picture becomes part of a mosaic, and of the window's place down and across."""
        return counter_uniform(rows, 3, seed=seed, epoch=epoch, stream=_STREAM + 2)

    def join(
        self,
        batch: dict[str, Any],
        partners: Sequence[dict[str, Any]],
        *,
        rows: Tensor,
        epoch: int,
        seed: int,
        classes: int,
    ) -> dict[str, Any]:
        """Windows into four pictures side by side; all are augmented."""
        draws = self._joins(rows, epoch, seed)
        four = [batch, *partners]
        height, width = batch["pixel_values"].shape[-2:]
        chosen = draws[:, 0] < self.mosaic
        offsets = torch.stack([(draws[:, 1] * (height + 1)).long(), (draws[:, 2] * (width + 1)).long()], 1)
        pixels = batch["pixel_values"].clone()
        for row in chosen.nonzero().flatten().tolist():
            down, across = offsets[row].tolist()
            top = torch.cat([one["pixel_values"][row] for one in four[:2]], 2)[:, :, across : across + width]
            bottom = torch.cat([one["pixel_values"][row] for one in four[2:]], 2)[:, :, across : across + width]
            pixels[row] = torch.cat([top, bottom], 1)[:, down : down + height]
        parts = []
        for number, one in enumerate(four):
            labels = one["labels"]
            place = torch.tensor([number % 2, number // 2], dtype=labels.dtype, device=labels.device)
            shift = (place - offsets.flip(1) / torch.tensor([width, height], device=labels.device)).to(labels.dtype)
            corners = convert_boxes(labels[..., BOX], "cxcywh", "xyxy") + shift.repeat(1, 2)[:, None]
            moved = _with_corners(labels, corners)
            nothing = labels.clone()
            nothing[..., CLASS] = IGNORED
            parts.append(torch.where(chosen[:, None, None], moved, labels if number == 0 else nothing))
        return {**batch, "pixel_values": pixels, "labels": _compact(torch.cat(parts, 1))}


def _zoomed(pixels: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Pictures enlarged about their middle by a scale (B,), then shifted by fractions of the sides (B, 2) as (x, y)."""
    height, width = pixels.shape[-2:]
    down, across = (
        ((2 * torch.arange(side, device=pixels.device) + 1) / side - 1 - 2 * move[:, None]) / scale[:, None]
        for side, move in ((height, shift[:, 1]), (width, shift[:, 0]))
    )  # where the pixels of each row and column come from, -1 to 1, (B, H) and (B, W)
    grid = torch.stack(
        [across[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], -1
    )  # (B, H, W, 2)
    pad = LetterboxImageProcessor.pad_value
    return F.grid_sample(pixels - pad, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + pad


def _with_corners(labels: Tensor, corners: Tensor) -> Tensor:
    """Labels (B, M, 8) with other boxes, cut at the frame; objects of which too little is left are gone."""
    inside = corners.clamp(0, 1)
    share = _area(inside) / _area(corners).clamp(min=1e-12)
    changed = labels.clone()
    changed[..., BOX] = convert_boxes(inside, "xyxy", "cxcywh")
    changed[..., AREA] = labels[..., AREA] * share
    changed[..., CLASS] = torch.where((share < LEAST_SHARE) & is_object(labels), IGNORED, labels[..., CLASS])
    return changed


def _area(corners: Tensor) -> Tensor:
    return (corners[..., 2:] - corners[..., :2]).prod(-1)


def _compact(labels: Tensor) -> Tensor:
    """The same objects with as few rows as the fullest picture needs, at least one."""
    objects = is_object(labels)
    order = (~objects).to(torch.int8).argsort(dim=1, stable=True)
    most = max(1, int(objects.sum(1).max()))
    return labels.gather(1, order[:, :most, None].expand(-1, -1, labels.shape[-1]))
