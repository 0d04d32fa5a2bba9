"""What a YOLO is trained by: boxes, objectness and classes of the anchors that objects own; no object anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..boxes.box_formats import convert_boxes
from ..boxes.overlap import overlap
from .box_labels import BOX, CLASS, CROWD, is_object


def yolo_loss(config: Any, found: Mapping[str, Tensor], labels: Tensor, grids: list[tuple[int, int]]) -> Tensor:
    """The mean over pictures of each one's loss, so that a batch is worth the same on one process and on several.

    An object owns, in the cell that holds its centre, every anchor whose sides are within a factor of its own, or
    the one most like it. Of a picture's own anchors the mean of 1 - CIoU and of the classes' cross entropies counts; of
    all anchors the mean cross entropy of objectness, whose target is how well an own anchor's box fits and 0 elsewhere.
    What overlaps an object well without being its own, or lies on an ignored one, is not asked.

    Args:
        config: The network's, with the weights of the parts.
        found: ``logits`` (B, Q, C), ``objectness`` (B, Q) and ``pred_boxes`` (B, Q, 4).
        labels: Objects (B, M, 8).
        grids: Height and width of each level's grid.
    """
    all_logits, objectness, predicted = found["logits"], found["objectness"], found["pred_boxes"]
    objects = is_object(labels)  # (B, M)
    real = objects & (labels[..., CROWD] == 0)
    own, places = own_anchors(config, labels[..., BOX], real, grids)  # (B, M, K)
    picked = places.flatten(1)  # (B, M * K)
    owned = own.flatten(1)
    boxes = predicted.gather(1, picked[..., None].expand(-1, -1, 4)).view(*own.shape, 4)
    corners, wanted = convert_boxes(boxes, "cxcywh", "xyxy"), convert_boxes(labels[..., BOX], "cxcywh", "xyxy")
    fit = overlap(corners, wanted[:, :, None], "ciou").flatten(1)  # (B, M * K)
    count = owned.sum(1).clamp(min=1)
    box_loss = ((1 - fit) * owned).sum(1) / count

    classes = labels[..., CLASS].long().clamp(min=0)
    targets = F.one_hot(classes, all_logits.shape[-1]).to(all_logits.dtype)  # (B, M, C)
    logits = all_logits.gather(1, picked[..., None].expand(-1, -1, all_logits.shape[-1]))
    targets = targets[:, :, None].expand(*own.shape, -1).flatten(1, 2)
    class_loss = F.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none").sum(-1)
    class_loss = (class_loss * owned).sum(1) / count

    quality = torch.where(owned, fit.detach().clamp(min=0), 0)
    target = torch.zeros_like(objectness, dtype=torch.float32).scatter_reduce(1, picked, quality, "amax")
    is_own = torch.zeros_like(target).scatter_reduce(1, picked, owned.float(), "amax") > 0
    asked = is_own | ~_overlapping(predicted.detach(), labels, objects, config.ignored_iou)
    weight = torch.where(is_own, 1.0, float(config.no_object_weight)) * asked
    entropy = F.binary_cross_entropy_with_logits(objectness.float(), target, reduction="none")
    object_loss = (entropy * weight).mean(1)

    parts = config.box_weight * box_loss + config.objectness_weight * object_loss + config.class_weight * class_loss
    return parts.mean()


def own_anchors(config: Any, boxes: Tensor, real: Tensor, grids: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Which anchors each object owns, of those of the cells that hold its centre.

    Args:
        config: The network's, with the anchors of each level.
        boxes: Centre and size in fractions of the frame (B, M, 4).
        real: Which of them are objects to be found (B, M).
        grids: Height and width of each level's grid.

    Returns:
        Which are owned, bool (B, M, K), and their places among all candidates, int64 (B, M, K), K the anchors of all
        levels.
    """
    anchors = torch.tensor(config.level_anchors, device=boxes.device)  # (L, A, 2)
    flat = anchors.flatten(0, 1)  # (K, 2)
    sizes = boxes[..., None, 2:].clamp(min=1e-6)  # (B, M, 1, 2)
    factor = torch.maximum(sizes / flat, flat / sizes).amax(-1)  # (B, M, K)
    inner = torch.minimum(sizes, flat).prod(-1)
    iou = inner / (sizes.prod(-1) + flat.prod(-1) - inner)
    most_like = F.one_hot(iou.argmax(-1), len(flat)).bool()
    own = ((factor < config.anchor_ratio) | most_like) & real[..., None]
    places, before = [], 0
    for level, (height, width) in enumerate(grids):
        column = (boxes[..., 0] * width).long().clamp(0, width - 1)  # (B, M)
        row = (boxes[..., 1] * height).long().clamp(0, height - 1)
        numbers = torch.arange(anchors.shape[1], device=boxes.device)
        places.append(before + (numbers * height + row[..., None]) * width + column[..., None])
        before += len(anchors[level]) * height * width
    return own, torch.cat(places, -1)


def _overlapping(predicted: Tensor, labels: Tensor, objects: Tensor, threshold: float) -> Tensor:
    """Which candidates (B, Q) overlap an object by more than the threshold, or lie on an ignored one for the most."""
    boxes = convert_boxes(predicted.float(), "cxcywh", "xyxy")[:, :, None]  # (B, Q, 1, 4)
    others = convert_boxes(labels[..., BOX], "cxcywh", "xyxy")[:, None]  # (B, 1, M, 4)
    crowd = (labels[..., CROWD] > 0)[:, None]  # (B, 1, M)
    inner = _inner(boxes, others)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    union = area + (others[..., 2:] - others[..., :2]).prod(-1) - inner
    share = torch.where(crowd, inner / area.clamp(min=1e-9), inner / union.clamp(min=1e-9))
    limit = torch.where(crowd, 0.5, threshold)
    return ((share > limit) & objects[:, None]).any(-1)


def _inner(boxes: Tensor, others: Tensor) -> Tensor:
    low, high = torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:])
    return (high - low).clamp(min=0).prod(-1)
