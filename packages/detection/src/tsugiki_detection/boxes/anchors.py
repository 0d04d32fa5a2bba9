"""Anchor boxes by k-means: the widths and heights that a data set's boxes are like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Sizes = NDArray[np.float64]
MOST_ROUNDS = 300


def kmeans_anchors(sizes: Sizes, count: int, *, seed: int = 0, starts: int = 5) -> Sizes:
    """The sizes that boxes are nearest to by intersection over union (Redmon & Farhadi 2017, YOLO9000, section 2).

    The distance of two boxes with one centre is 1 less their intersection over union. Lloyd's rounds begin at
    k-means++ draws; of several starts the one with the greatest mean overlap is kept.

    Args:
        sizes: Widths and heights (N, 2), above 0.
        count: Anchors.
        seed: Of the draws.
        starts: How often to begin.

    Returns:
        (count, 2), from small to large area; fewer rows where there are fewer different sizes.

    Raises:
        ValueError: There are no boxes, or one has no size.
    """
    sizes = np.asarray(sizes, np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not len(sizes):
        raise ValueError(f"sizes must be (N, 2) with N at least 1, not {sizes.shape}")
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError("every box must have a width and a height above 0")
    different = np.unique(sizes, axis=0)
    if len(different) <= count:
        found = different
    else:
        generator = np.random.default_rng(seed)
        tried = [_lloyd(sizes, _first_anchors(sizes, count, generator)) for _ in range(starts)]
        found = max(tried, key=lambda anchors: mean_anchor_iou(sizes, anchors))
    return found[np.argsort(found.prod(1), kind="stable")]


def mean_anchor_iou(sizes: Sizes, anchors: Sizes) -> float:
    """Mean over boxes (N, 2) of the intersection over union with the most alike of the anchors (K, 2)."""
    return float(size_iou(sizes, anchors).max(1).mean())


def size_iou(sizes: Sizes, anchors: Sizes) -> Sizes:
    """Intersection over union (N, K) of boxes and anchors that share their centre."""
    inner = np.minimum(sizes[:, None], anchors[None]).prod(-1)
    return inner / (sizes.prod(1)[:, None] + anchors.prod(1)[None] - inner)


def _first_anchors(sizes: Sizes, count: int, generator: np.random.Generator) -> Sizes:
    """k-means++ (Arthur & Vassilvitskii 2007): each next with a chance by the squared distance to the nearest."""
    chosen = sizes[generator.integers(len(sizes))][None]
    while len(chosen) < count:
        distance = (1 - size_iou(sizes, chosen).max(1)) ** 2
        chosen = np.concatenate([chosen, sizes[generator.choice(len(sizes), p=distance / distance.sum())][None]])
    return chosen


def _lloyd(sizes: Sizes, anchors: Sizes) -> Sizes:
    """Rounds of assigning boxes and moving anchors to their means, as long as the mean overlap grows."""
    best, overlap = anchors, mean_anchor_iou(sizes, anchors)
    for _ in range(MOST_ROUNDS):
        nearest = size_iou(sizes, best).argmax(1)
        moved = np.stack(
            [
                sizes[nearest == number].mean(0) if (nearest == number).any() else anchor
                for number, anchor in enumerate(best)
            ]
        )
        found = mean_anchor_iou(sizes, moved)
        if found <= overlap:
            break
        best, overlap = moved, found
    return best
