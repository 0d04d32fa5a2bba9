"""Figures of instance segmentation: average precision of masks, F1, and panoptic quality.

Objects are matched as COCO matches boxes: from the best score, each takes the free object of its class that its mask
overlaps most, if by one half or more. Where no masks overlap, as here, the order hardly matters, for more than half of
an object can be taken only once (Kirillov et al. 2019, Panoptic segmentation, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.metrics import Metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.tensor_table import IGNORED

from ..annotations.label_images import boxes_of_numbers
from ..detectors.average_precision import Objects, average_precision, encoded_masks
from ..detectors.found_objects import match_all
from .instance_grouping import Instances, renumbered
from .instance_labels import LABEL_DIVISOR

FOUND = 0.5  # overlap from which an object counts as found
MOST_FOUND = 1000  # of a picture, for average precision; COCO's 100 are fewer than the nuclei of some
NUMBERS, SCORES, CLASSES, THRESHOLD = "numbers", "scores", "classes", "threshold"


def kept_row(found: Instances, threshold: float) -> dict[str, Any]:
    """What predictions keep of a picture: 2 bytes a pixel."""
    return {NUMBERS: found.numbers, SCORES: found.scores, CLASSES: found.classes, THRESHOLD: threshold}


def shown_row(row: Mapping[str, Any]) -> Instances:
    """The objects of a picture that score enough to be shown."""
    return Instances(row[NUMBERS], row[SCORES], row[CLASSES]).at_least(row[THRESHOLD])


def real_objects(labels: NDArray[np.int32]) -> Instances:
    """The objects that labels (H, W) say are there, in the order of their numbers."""
    values = np.unique(labels[labels > 0])
    numbers = np.where(labels > 0, np.searchsorted(values, labels) + 1, 0)
    return renumbered(numbers, np.ones(len(values)), (values // LABEL_DIVISOR).astype(np.int64))


def as_objects(found: Instances, ignored: NDArray[np.bool_] | None = None, classes: int = 0) -> Objects:
    """Objects of a picture with masks for average precision.

    Args:
        found: The objects.
        ignored: Pixels that nothing is asked of (H, W): an object of each class, neither found nor missed.
        classes: Number of classes.
    """
    measured = boxes_of_numbers(found.numbers)
    boxes = [box for box, _ in measured]
    areas = [float(area) for _, area in measured]
    masks = encoded_masks(found.numbers)
    left_out = 0
    if ignored is not None and ignored.any():
        left_out = classes
        (box, area), *_ = boxes_of_numbers(ignored.astype(np.uint16))
        boxes, areas, masks = (
            boxes + [box] * left_out,
            areas + [float(area)] * left_out,
            masks + encoded_masks(ignored) * left_out,
        )
    return Objects(
        np.asarray(boxes, np.float64).reshape(-1, 4),
        np.append(found.classes, np.arange(left_out)).astype(np.int64),
        found.scores,
        np.asarray(areas, np.float64),
        np.arange(len(boxes)) >= len(boxes) - left_out,
        masks,
    )


def objects_of(predictions: Predictions, classes: int) -> tuple[list[Objects], list[Objects]]:
    """What is there and what was found, picture by picture, whatever it scores."""
    there = [
        as_objects(real_objects(labels), labels == IGNORED, classes) for labels in map(np.asarray, predictions.labels)
    ]
    rows = predictions.outputs
    return there, [as_objects(Instances(row[NUMBERS], row[SCORES], row[CLASSES])) for row in rows]


def classes_of(predictions: Predictions, names: Sequence[str]) -> int:
    """How many classes there are: as many as names, and as many as occur."""
    highest = [int(row[CLASSES].max(initial=0)) for row in predictions.outputs]
    highest += [int(np.asarray(labels).max(initial=0)) // LABEL_DIVISOR for labels in predictions.labels]
    return max(1, len(names), *(one + 1 for one in highest))


class FoundCounts:
    """How much was found in each picture at its threshold.

    Attributes:
        right: Objects that were found (N, C).
        wrong: What was found and is not there (N, C).
        missed: Objects that were not found (N, C).
        overlap: Sum of the intersections over union of what was found (N, C).
    """

    def __init__(
        self, there: Sequence[Objects], found: Sequence[Objects], thresholds: Sequence[float], classes: int
    ) -> None:
        shape = (len(there), classes)
        self.right, self.wrong, self.missed, self.overlap = (np.zeros(shape) for _ in range(4))
        shown = [one.select(np.asarray(one.scores) >= least) for one, least in zip(found, thresholds, strict=True)]
        for row, (real, one) in enumerate(zip(there, match_all(there, shown, FOUND), strict=True)):
            counted = real.classes if real.ignored is None else real.classes[~real.ignored]
            self.right[row] = np.bincount(one.classes[one.right], minlength=classes)
            self.wrong[row] = np.bincount(one.classes[one.counted & ~one.right], minlength=classes)
            self.missed[row] = np.bincount(counted, minlength=classes) - self.right[row]
            self.overlap[row] = np.bincount(one.classes[one.right], one.overlaps[one.right], classes)

    @classmethod
    def of(cls, predictions: Predictions, classes: int) -> FoundCounts:
        """Of predictions, each row at its own threshold."""
        thresholds = [float(row[THRESHOLD]) for row in predictions.outputs]
        return cls(*objects_of(predictions, classes), thresholds, classes)

    def f1(self, rows: NDArray[np.int64] | slice) -> float:
        """2 right / (2 right + wrong + missed) of some pictures; 1 where nothing is there and nothing found."""
        right, others = self.right[rows].sum(), (self.wrong + self.missed)[rows].sum()
        return float(2 * right / (2 * right + others)) if right or others else 1.0

    def panoptic_quality(self, rows: NDArray[np.int64] | slice) -> float:
        """Overlap / (right + wrong / 2 + missed / 2), its mean over the classes that are there or are found."""
        overlap = self.overlap[rows].sum(0)
        whole = (self.right + self.wrong / 2 + self.missed / 2)[rows].sum(0)  # (C,)
        known = whole > 0
        return float((overlap[known] / whole[known]).mean()) if known.any() else 1.0

    def picture_f1(self) -> NDArray[np.float64]:
        """`f1` of each picture (N,)."""
        return np.array([self.f1(slice(row, row + 1)) for row in range(len(self.right))])


def instance_metrics(predictions: Predictions, names: Sequence[str], *, seed: int = 0) -> dict[str, Metric]:
    """`mask_map_50`, `f1_50`, `pq`, `mask_map` and `mask_map_75`, by size, and `mask_map_50_<class>`.

    Average precision counts all that was found; F1 and panoptic quality what scores at least the model's threshold.
    """
    classes = classes_of(predictions, names)
    there, found = objects_of(predictions, classes)
    thresholds = [float(row[THRESHOLD]) for row in predictions.outputs]
    counts = FoundCounts(there, found, thresholds, classes)
    figures = average_precision(there, found, classes, seed=seed, most=MOST_FOUND)
    by_class = figures.pop("classes")["map_50"]
    objects = int((counts.right + counts.missed).sum())
    metrics = {
        "mask_map_50": figures.pop("map_50"),
        "f1_50": score_metric(counts.f1, len(predictions), n=objects, seed=seed),
        "pq": score_metric(counts.panoptic_quality, len(predictions), n=objects, seed=seed),
        **{f"mask_{name}": figure for name, figure in figures.items()},
    }
    if classes > 1:
        numbered = names if len(names) == classes else [str(number) for number in range(classes)]
        for label, value in enumerate(by_class):
            if not np.isnan(value):
                count = int((counts.right + counts.missed)[:, label].sum())
                metrics[f"mask_map_50_{numbered[label].replace(' ', '_')}"] = Metric(
                    value, value, value, count, "score"
                )
    return metrics
