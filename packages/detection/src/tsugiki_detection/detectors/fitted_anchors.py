"""The anchors of a detector's levels, from the boxes that it is to learn."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..boxes.anchors import kmeans_anchors
from .box_labels import BOX, CROWD, is_object

LevelAnchors = list[list[list[float]]]


def anchors_of(labels: Tensor, levels: int, each: int, seed: int) -> LevelAnchors:
    """Anchors of each level by k-means, small ones on the finest, in fractions of the frame.

    Where the data has fewer sizes than anchors are asked for, the largest is repeated.

    Args:
        labels: Objects (..., 8), see `tsugiki_detection.detectors.box_labels`.
        levels: How many levels there are.
        each: Anchors of a level.
        seed: Of the draws.
    """
    objects = labels[is_object(labels) & (labels[..., CROWD] == 0)]
    if not len(objects):
        sizes = np.linspace(0.05, 0.6, levels * each)[:, None].repeat(2, 1)
    else:
        sizes = kmeans_anchors(objects[:, BOX][:, 2:].double().numpy().clip(1e-4), levels * each, seed=seed)
        sizes = np.concatenate([sizes, sizes[-1:].repeat(levels * each - len(sizes), 0)])
    return [[[round(float(side), 5) for side in pair] for pair in level] for level in sizes.reshape(levels, each, 2)]
