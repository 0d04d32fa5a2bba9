"""Average precision as COCO defines it, by faster-coco-eval, whose figures equal pycocotools'; with intervals.

Lin et al. 2014, Microsoft COCO; the rules are those of cocodataset.org/#detection-eval: ten overlaps from .50 to .95,
precision at 101 recalls, at most 100 detections of a picture, objects that are ignored neither found nor missed. Boxes
or masks are compared.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.metrics import Metric, intervals_wanted

RESAMPLES = 300
MOST_DETECTIONS = 100  # of a picture that count
AREAS = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_ALL = (0.0, 1e10)


@dataclass(frozen=True)
class Objects:
    """The objects of a picture, or what was found in it.

    Attributes:
        boxes: Left, top, width, height (K, 4), in pixels.
        classes: (K,).
        scores: (K,) of what was found; None of what is there.
        areas: (K,) of what is there, in pixels; by default the boxes'.
        ignored: bool (K,); none by default.
        masks: The pixels of each, as `encoded_masks` has them, which then count in the boxes' place.
    """

    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None
    areas: NDArray[np.float64] | None = None
    ignored: NDArray[np.bool_] | None = None
    masks: Sequence[dict[str, Any]] | None = None

    def select(self, chosen: NDArray[np.bool_]) -> Objects:
        """Some of them, by bool (K,)."""

        def part(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[chosen]

        masks = None if self.masks is None else [self.masks[number] for number in np.flatnonzero(chosen).tolist()]
        return Objects(
            self.boxes[chosen], self.classes[chosen], part(self.scores), part(self.areas), part(self.ignored), masks
        )


def encoded_masks(numbers: NDArray[Any]) -> list[dict[str, Any]]:
    """The masks of the objects 1, 2, … of a map (H, W) in COCO's run lengths, all in one pass over the pixels."""
    from faster_coco_eval.core.mask import frPyObjects

    flat = numbers.ravel(order="F").astype(np.int64)  # run lengths go down the columns
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    values, ends = flat[starts], np.append(starts[1:], flat.size)
    order = np.argsort(values, kind="stable")
    firsts = np.searchsorted(values[order], np.arange(1, int(flat.max(initial=0)) + 2))
    found = []
    for first, last in pairwise(firsts.tolist()):
        runs = order[first:last]
        borders = np.stack([starts[runs], ends[runs]], 1).ravel()
        counts = np.diff(borders, prepend=0, append=flat.size).tolist()
        found.append({"counts": counts[: -1 if counts[-1] == 0 else None], "size": list(numbers.shape)})
    return list(frPyObjects(found, *numbers.shape)) if found else []


def average_precision(
    there: Sequence[Objects],
    found: Sequence[Objects],
    classes: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    most: int = MOST_DETECTIONS,
) -> dict[str, Any]:
    """Figures of detections, by the overlap of their boxes or, where all objects have them, of their masks.

    Args:
        there: The objects of each picture.
        found: What was found in each.
        classes: Number of classes.
        seed: Of the pictures that are drawn for the intervals.
        resamples: How often they are drawn.
        most: The best detections of a picture that count.

    Returns:
        ``map``, ``map_50`` and ``map_75`` as `Metric`, of which intervals come from drawing pictures; ``map_small``,
        ``map_medium`` and ``map_large`` where there are such objects; and ``classes``: ``map`` and ``map_50`` of each
        class as numbers, nan where there is no object of it.
    """
    evaluation = _evaluation(there, found, classes, most)
    precision = evaluation.eval["precision"]  # (10 overlaps, 101 recalls, classes, areas, 1)
    objects = sum(int((one.ignored is None and len(one.boxes)) or (~_ignored(one)).sum()) for one in there)
    values = _figures(precision[..., 0, 0])
    drawn = _resampled(evaluation, len(there), classes, seed, resamples if intervals_wanted() else 0)
    metrics: dict[str, Any] = {}
    for name, value in values.items():
        low, high = np.nanquantile(drawn[name], [0.025, 0.975]) if len(drawn[name]) else (value, value)
        metrics[name] = Metric(value, float(low), float(high), objects, "score")
    for number, size in enumerate(AREAS, 1):
        value = _mean(precision[..., number, 0])
        if not np.isnan(value):
            metrics[f"map_{size}"] = Metric(value, value, value, objects, "score")
    metrics["classes"] = {
        "map": [_mean(precision[:, :, number, 0, 0]) for number in range(classes)],
        "map_50": [_mean(precision[:1, :, number, 0, 0]) for number in range(classes)],
    }
    return metrics


def _figures(precision: NDArray[np.float64]) -> dict[str, float]:
    """Of precision (10, 101, classes)."""
    return {"map": _mean(precision), "map_50": _mean(precision[0]), "map_75": _mean(precision[5])}


def _mean(precision: NDArray[np.float64]) -> float:
    """The mean over what was measured; -1 stands for a class without objects."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")


def _evaluation(there: Sequence[Objects], found: Sequence[Objects], classes: int, most: int) -> Any:
    from faster_coco_eval import COCO, COCOeval_faster

    masked = all(one.masks is not None for one in (*there, *found))
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for number, (real, said) in enumerate(zip(there, found, strict=True), 1):
        areas = real.boxes[:, 2] * real.boxes[:, 3] if real.areas is None else real.areas
        for one, area, ignored in zip(
            _shapes(real, number, masked), areas.tolist(), _ignored(real).tolist(), strict=True
        ):
            annotations.append({**one, "id": len(annotations) + 1, "area": area, "iscrowd": int(ignored)})
        assert said.scores is not None
        pairs = zip(_shapes(said, number, masked), said.scores.tolist(), strict=True)
        detections += [{**one, "score": score} for one, score in pairs]
    data = {
        "images": [{"id": number, "width": 1, "height": 1} for number in range(1, len(there) + 1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        real_set = COCO(data, print_function=_silent)
        said_set = (
            real_set.loadRes(detections) if detections else COCO({**data, "annotations": []}, print_function=_silent)
        )
        kind = "segm" if masked else "bbox"
        evaluation = COCOeval_faster(real_set, said_set, kind, print_function=_silent, separate_eval=True)
        evaluation.params.maxDets = [most]
        evaluation.params.areaRng = [list(_ALL), *(list(limits) for limits in AREAS.values())]
        evaluation.params.areaRngLbl = ["all", *AREAS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _shapes(objects: Objects, picture: int, masked: bool) -> list[dict[str, Any]]:
    """What detections and objects of a picture have in common, in COCO's words."""
    shapes: list[dict[str, Any]] = (
        [{"segmentation": dict(mask)} for mask in objects.masks or ()]
        if masked
        else [{"bbox": box} for box in objects.boxes.tolist()]
    )
    labels = objects.classes.tolist()
    return [{"image_id": picture, "category_id": label + 1, **one} for one, label in zip(shapes, labels, strict=True)]


def _resampled(evaluation: Any, pictures: int, classes: int, seed: int, resamples: int) -> dict[str, list[float]]:
    """The figures of pictures drawn with replacement; matches of a picture are its own, so they are found once."""
    import copy

    from faster_coco_eval.faster_eval_api_cpp import COCOevalAccumulate

    parameters = copy.copy(evaluation._paramsEval)
    parameters.areaRng, parameters.areaRngLbl = parameters.areaRng[:1], parameters.areaRngLbl[:1]
    matches, areas = evaluation._evalImgs_cpp, 1 + len(AREAS)  # by class, then area, then picture
    generator = np.random.default_rng(seed)
    found: dict[str, list[float]] = {"map": [], "map_50": [], "map_75": []}
    for _ in range(resamples):
        rows = generator.integers(0, pictures, pictures).tolist()
        drawn = [matches[label * areas * pictures + row] for label in range(classes) for row in rows]
        precision = COCOevalAccumulate(parameters, drawn)["precision"]
        for name, value in _figures(np.asarray(precision)[..., 0, 0]).items():
            found[name].append(value)
    return found


def _ignored(one: Objects) -> NDArray[np.bool_]:
    return np.zeros(len(one.boxes), bool) if one.ignored is None else one.ignored


def _silent(*_: Any) -> None:
    """Print nothing."""
