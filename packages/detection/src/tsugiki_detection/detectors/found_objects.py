"""Which objects were found, one overlap at a time: for F1, the best score to ask for, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .average_precision import Objects


class Matches(NamedTuple):
    """What was found in a picture, best first.

    Attributes:
        scores: (K,).
        classes: (K,).
        right: Whether each met an object of its class that no better one had met, bool (K,).
        counted: bool (K,); one that lies on an ignored object is neither right nor wrong.
        objects: How many objects there are to be found.
        overlaps: Of each with the object that it met, else 0 (K,).
    """

    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    objects: int
    overlaps: NDArray[np.float64]


def box_overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (N, M) of boxes as left, top, width, height."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    inner = (high - low).clip(0).prod(-1)
    union = boxes[:, 2:].prod(-1)[:, None] + others[:, 2:].prod(-1)[None] - inner
    return inner / np.maximum(union, 1e-12)


def overlaps_of(found: Objects, there: Objects) -> NDArray[np.float64]:
    """Intersection over union (N, M) of masks, where both have them, else of boxes.

    Of a mask with an ignored object it is the share of the mask that lies on it, as COCO has it.
    """
    if found.masks is None or there.masks is None:
        return box_overlaps(found.boxes, there.boxes)
    if not len(found.masks) or not len(there.masks):
        return np.zeros((len(found.masks), len(there.masks)))
    from faster_coco_eval.core.mask import iou

    ignored = np.zeros(len(there.masks), bool) if there.ignored is None else there.ignored
    return np.asarray(iou(list(found.masks), list(there.masks), ignored.astype(np.uint8).tolist()), np.float64)


def match(there: Objects, found: Objects, iou: float) -> Matches:
    """The detections of one picture, from the best: each takes the free object of its class that it overlaps most."""
    assert found.scores is not None
    order = np.argsort(-found.scores, kind="stable")
    classes = found.classes[order]
    ignored = np.zeros(len(there.boxes), bool) if there.ignored is None else there.ignored
    overlaps = overlaps_of(found, there)[order]
    overlaps[classes[:, None] != there.classes[None]] = 0
    right, counted, met = np.zeros(len(order), bool), np.ones(len(order), bool), np.zeros(len(order))
    free = ~ignored
    for number, row in enumerate(overlaps):
        allowed = np.where(free, row, 0)
        if allowed.size and allowed.max() >= iou:
            right[number], met[number] = True, allowed.max()
            free[allowed.argmax()] = False
        elif (row[ignored] >= iou).any():
            counted[number] = False
    return Matches(found.scores[order], classes, right, counted, int((~ignored).sum()), met)


def match_all(there: Sequence[Objects], found: Sequence[Objects], iou: float) -> list[Matches]:
    """`match` of every picture."""
    return [match(one, said, iou) for one, said in zip(there, found, strict=True)]


def best_threshold(matches: Sequence[Matches]) -> tuple[float, float]:
    """The least score to ask for with which F1 over all pictures is best, and that F1."""
    scores = np.concatenate([one.scores[one.counted] for one in matches])
    right = np.concatenate([one.right[one.counted] for one in matches])
    objects = sum(one.objects for one in matches)
    if not len(scores) or not objects:
        return 0.5, 0.0
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(scores) + 1) + objects)
    last = np.append(scores[1:] != scores[:-1], True)  # equal scores go together
    best = int(np.where(last, f1, -1).argmax())
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + below) / 2), float(f1[best])


def picture_f1(matches: Sequence[Matches], threshold: float) -> NDArray[np.float64]:
    """F1 of each picture (N,) with what scores at least the threshold; 1 where nothing is there and nothing found."""
    figures = []
    for one in matches:
        said = one.counted & (one.scores >= threshold)
        whole = int(said.sum()) + one.objects
        figures.append(2 * float((said & one.right).sum()) / whole if whole else 1.0)
    return np.asarray(figures)


def confusion(
    there: Sequence[Objects], found: Sequence[Objects], classes: int, *, threshold: float, iou: float
) -> NDArray[np.int64]:
    """How often an object of a class (row) was taken for a class (column); the last row and column are the background.

    Whatever its class, a detection meets the free object that it overlaps most, from the best score down.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for real, said in zip(there, found, strict=True):
        assert said.scores is not None
        kept = np.flatnonzero(said.scores >= threshold)
        kept = kept[np.argsort(-said.scores[kept], kind="stable")]
        overlaps = overlaps_of(said, real)[kept]
        free = np.ones(len(real.boxes), bool)
        ignored = np.zeros(len(real.boxes), bool) if real.ignored is None else real.ignored
        for number, row in zip(kept, overlaps, strict=True):
            allowed = np.where(free, row, 0)
            if allowed.size and allowed.max() >= iou:
                one = int(allowed.argmax())
                free[one] = False
                if not ignored[one]:
                    counts[real.classes[one], said.classes[number]] += 1
            else:
                counts[classes, said.classes[number]] += 1
        for label in real.classes[free & ~ignored]:
            counts[label, classes] += 1
    return counts
