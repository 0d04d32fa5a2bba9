"""From predictions to objects: what is there and what was found, in pixels of the pictures."""

from __future__ import annotations

import numpy as np
from tsugiki.predictions import Predictions

from .average_precision import Objects
from .box_labels import AREA, BOX, CLASS, CROWD, FRAME_AREA


def objects_of(predictions: Predictions) -> tuple[list[Objects], list[Objects]]:
    """What is there and what was found, in units in which a box's area is that in pixels of the picture."""
    there, found = [], []
    for said, labels in zip(np.asarray(predictions.outputs), np.asarray(predictions.labels), strict=True):
        side = float(np.sqrt(labels[0, FRAME_AREA]))
        said, real = said[said[:, 0] >= 0].astype(np.float64), labels[labels[:, CLASS] >= 0].astype(np.float64)
        size = real[:, BOX][:, 2:] * side
        boxes = np.concatenate([real[:, BOX][:, :2] * side - size / 2, size], 1)
        there.append(Objects(boxes, real[:, CLASS].astype(int), None, real[:, AREA], real[:, CROWD] > 0))
        corners = said[:, 2:] * side
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        found.append(Objects(boxes, said[:, 1].astype(int), said[:, 0]))
    return there, found
