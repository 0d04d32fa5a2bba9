"""How four numbers are a box: corners, a corner with a size, a centre with a size; and what a picture cuts off."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
FORMATS: tuple[BoxFormat, ...] = get_args(BoxFormat)


def convert_boxes(boxes: Tensor, source: BoxFormat, target: BoxFormat) -> Tensor:
    """The same boxes in another format.

    Args:
        boxes: (..., 4), in pixels or in fractions of a picture's sides.
        source: ``xyxy``: left, top, right, bottom (Pascal VOC); ``xywh``: left, top, width, height (COCO); ``cxcywh``:
            centre, width, height (YOLO, DETR).
        target: Likewise.

    Raises:
        ValueError: A format is none of these, or a box has not four numbers.
    """
    if unknown := [name for name in (source, target) if name not in FORMATS]:
        raise ValueError(f"unknown box format {unknown[0]!r}, only {', '.join(FORMATS)}")
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"boxes must be (..., 4), not {tuple(boxes.shape)}")
    if source == target:
        return boxes
    first, second = boxes[..., :2], boxes[..., 2:]
    if source == "xyxy":
        low, size = first, second - first
    elif source == "xywh":
        low, size = first, second
    else:
        low, size = first - second / 2, second
    if target == "xyxy":
        return torch.cat([low, second if source == "xyxy" else low + size], -1)
    return torch.cat([low if target == "xywh" else low + size / 2, size], -1)


def clip_boxes(boxes: Tensor, width: float, height: float) -> Tensor:
    """Corners (..., 4) cut at the borders of a picture."""
    limits = torch.tensor([width, height, width, height], dtype=boxes.dtype, device=boxes.device)
    return boxes.clamp(min=0).minimum(limits)


def box_areas(boxes: Tensor) -> Tensor:
    """Areas (...,) of corners (..., 4); negative where one side is inverted."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
