"""How much two boxes overlap: intersection over union, and its generalisations that also tell of boxes apart."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from .box_formats import box_areas

Overlap = Literal["iou", "giou", "diou", "ciou"]
_EPSILON = 1e-9


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of every box with every other.

    Args:
        boxes: Corners (N, 4).
        others: Corners (M, 4).

    Returns:
        (N, M), 0 to 1; 0 where both have no area.
    """
    return overlap(boxes[:, None], others[None])


def overlap(boxes: Tensor, others: Tensor, kind: Overlap = "iou") -> Tensor:
    """The overlap of boxes with as many others, with gradients.

    Args:
        boxes: Corners (..., 4), left below right and top above bottom.
        others: Likewise, of a shape that broadcasts.
        kind: ``iou``, 0 to 1; ``giou``, -1 to 1, less the share of the enclosing box that neither covers
            (Rezatofighi et al. 2019, Generalized intersection over union, algorithm 1); ``diou``, less the squared
            distance of the centres over the enclosing box's squared diagonal (Zheng et al. 2020, Distance-IoU loss,
            equation 6); ``ciou``, less a penalty on unlike proportions besides (equations 8 to 11, whose weight has no
            gradient).

    Returns:
        (...,).

    Raises:
        ValueError: There is no such kind.
    """
    low, high = torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    union = box_areas(boxes) + box_areas(others) - inner
    iou = inner / union.clamp(min=_EPSILON)
    if kind == "iou":
        return iou
    around = torch.maximum(boxes[..., 2:], others[..., 2:]) - torch.minimum(boxes[..., :2], others[..., :2])
    if kind == "giou":
        enclosing = around.prod(-1)
        return iou - (enclosing - union) / enclosing.clamp(min=_EPSILON)
    if kind not in ("diou", "ciou"):
        raise ValueError(f"unknown overlap {kind!r}, only iou, giou, diou, ciou")
    apart = (boxes[..., :2] + boxes[..., 2:] - others[..., :2] - others[..., 2:]) / 2
    distance = apart.square().sum(-1) / around.square().sum(-1).clamp(min=_EPSILON)
    if kind == "diou":
        return iou - distance
    angle = _angle(boxes) - _angle(others)
    unlike = 4 / math.pi**2 * angle.square()
    with torch.no_grad():
        weight = unlike / (1 - iou + unlike).clamp(min=_EPSILON)
    return iou - distance - weight * unlike


def _angle(boxes: Tensor) -> Tensor:
    """Of the diagonal with the vertical (...,): the arc tangent of width over height."""
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.atan2(size[..., 0], size[..., 1].clamp(min=_EPSILON))
