"""What an instance segmenter learns: where each object's centre is, and how far each of its pixels is from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from tsugiki.tensor_table import IGNORED

from .instance_labels import class_numbers, object_numbers
from .segmentation_loss import segmentation_loss


def center_targets(labels: Tensor, spread: float) -> tuple[Tensor, Tensor]:
    """Heat of centres and offsets to them, of the pixels of objects; zero elsewhere.

    Args:
        labels: `(B, H, W)`, see `tsugiki_detection.segmentation.instance_labels`.
        spread: Standard deviation of the heat about an object's centre of mass, as a share of the radius of the disc
            that has as many pixels.

    Returns:
        Heat float32 `(B, H, W)`, 1 in the centre; offsets in pixels float32 `(B, 2, H, W)`, down and right.
    """
    numbers = object_numbers(labels)
    batch, height, width = numbers.shape
    width_of_ids = int(numbers.max()) + 1
    ids = (numbers + torch.arange(batch, device=labels.device).view(-1, 1, 1) * width_of_ids).flatten()
    down = torch.arange(height, device=labels.device, dtype=torch.float32).view(1, -1, 1).expand(numbers.shape)
    right = torch.arange(width, device=labels.device, dtype=torch.float32).expand(numbers.shape)
    size = batch * width_of_ids
    pixels = torch.bincount(ids, minlength=size).clamp(min=1).float()
    offsets = []
    for place in (down, right):
        center = torch.zeros(size, device=labels.device).index_add_(0, ids, place.flatten()) / pixels
        offsets.append(center[ids].view_as(numbers) - place)
    inside = numbers > 0
    moved = torch.stack(offsets, 1) * inside[:, None]
    variance = spread**2 * pixels[ids].view_as(numbers) / math.pi
    return torch.exp(-moved.square().sum(1) / (2 * variance)) * inside, moved


def instance_loss(
    logits: Tensor,
    center_logits: Tensor,
    offsets: Tensor,
    labels: Tensor,
    *,
    dice_weight: float,
    center_spread: float,
    center_weight: float,
    offset_weight: float,
) -> Tensor:
    """The loss of each picture, averaged over pictures: of classes, centres and offsets.

    Classes have the cross entropy and the weighted soft Dice loss of `segmentation_loss`. Centres have the mean cross
    entropy of their heat, less what no answer goes below. Offsets have the mean distance in pixels, down plus right,
    over the pixels of objects.

    Args:
        logits: `(B, C + 1, H, W)`, the last of the background.
        center_logits: `(B, H, W)`.
        offsets: `(B, 2, H, W)` in pixels.
        labels: `(B, H, W)`, see `tsugiki_detection.segmentation.instance_labels`.
        dice_weight: Of the Dice loss.
        center_spread: See `center_targets`.
        center_weight: Of the loss of centres.
        offset_weight: Of that of offsets.

    Returns:
        A scalar in float32.

    Raises:
        ValueError: The labels have another shape.
    """
    if labels.shape != (len(logits), *logits.shape[2:]):
        raise ValueError(
            f"labels must be {(len(logits), *logits.shape[2:])}, a number for each pixel, not {tuple(labels.shape)}."
        )
    classes = class_numbers(labels, logits.shape[1] - 1)
    pairs = zip(logits, classes, strict=True)
    of_classes = torch.stack([segmentation_loss(one[None], own[None], dice_weight) for one, own in pairs])  # (B,)
    heat, moved = center_targets(labels, center_spread)
    least = -(torch.xlogy(heat, heat) + torch.xlogy(1 - heat, 1 - heat))  # the entropy of the heat itself
    entropy = F.binary_cross_entropy_with_logits(center_logits.float(), heat, reduction="none") - least
    distance = (offsets.float() - moved).abs().sum(1)
    of_centers = _picture_means(entropy, labels != IGNORED)
    of_offsets = _picture_means(distance, object_numbers(labels) > 0)
    return (of_classes + center_weight * of_centers + offset_weight * of_offsets).mean()


def _picture_means(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of some pixels of each picture `(B,)`, 0 where there are none."""
    return (values * chosen).sum((1, 2)) / chosen.sum((1, 2)).clamp(min=1)
