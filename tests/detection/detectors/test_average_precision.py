"""Average precision: pycocotools' own figures, its rules by hand, and intervals that hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from tsugiki.metrics import without_intervals
from tsugiki_detection.detectors.average_precision import Objects, average_precision
from tsugiki_detection.detectors.found_objects import best_threshold, confusion, match_all, picture_f1


def pictures(count: int, seed: int, *, ignored: float = 0.1) -> tuple[list[Objects], list[Objects]]:
    """Objects of three classes, some of which are found, more or less well, beside what is not there."""
    generator = np.random.default_rng(seed)
    there, found = [], []
    for _ in range(count):
        real = int(generator.integers(0, 12))
        boxes = np.concatenate([generator.random((real, 2)) * 500, 5 + generator.random((real, 2)) * 150], 1)
        classes = generator.integers(0, 3, real)
        there.append(Objects(boxes, classes, None, boxes[:, 2:].prod(1), generator.random(real) < ignored))
        moved = boxes + generator.normal(size=boxes.shape) * 6
        extra = int(generator.integers(0, 9))
        wrong = np.concatenate([generator.random((extra, 2)) * 500, 5 + generator.random((extra, 2)) * 150], 1)
        said = np.concatenate([moved, wrong]).clip(0.1)
        labels = np.concatenate([classes, generator.integers(0, 3, extra)])
        found.append(Objects(said, labels, generator.random(len(said)).round(2)))
    return there, found


def of_pycocotools(there: list[Objects], found: list[Objects]) -> dict[str, float]:
    """The figures of Lin's own code."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, detections = [], []
    for number, (real, said) in enumerate(zip(there, found, strict=True), 1):
        for box, label, area, crowd in zip(real.boxes, real.classes, real.areas, real.ignored, strict=True):
            one = {"image_id": number, "category_id": int(label) + 1, "bbox": box.tolist(), "area": float(area)}
            annotations.append({**one, "id": len(annotations) + 1, "iscrowd": int(crowd)})
        for box, label, score in zip(said.boxes, said.classes, said.scores, strict=True):
            one = {"image_id": number, "category_id": int(label) + 1, "bbox": box.tolist(), "score": float(score)}
            detections.append(one)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in range(1, len(there) + 1)],
        "annotations": annotations,
        "categories": [{"id": number} for number in (1, 2, 3)],
        "info": {},
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
    return dict(zip(names, evaluation.stats[:6], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_pycocotools(seed, capsys):
    there, found = pictures(30, seed)
    with without_intervals():
        ours = average_precision(there, found, 3)
    theirs = of_pycocotools(there, found)
    for name, value in theirs.items():
        assert ours[name].value == pytest.approx(value, abs=1e-9)


def test_all_found_is_one_and_nothing_found_is_zero():
    there, _ = pictures(10, 0, ignored=0)
    same = [Objects(one.boxes, one.classes, np.ones(len(one.boxes))) for one in there]
    figures = average_precision(there, same, 3)
    assert (figures["map"].value, figures["map"].low, figures["map"].high) == (1, 1, 1)
    nothing = [Objects(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)) for _ in there]
    assert average_precision(there, nothing, 3)["map_50"].value == 0


def test_intervals_come_from_drawing_pictures():
    there, found = pictures(40, 5)
    figure = average_precision(there, found, 3)["map_50"]
    assert figure.low < figure.value < figure.high
    generator, drawn = np.random.default_rng(0), []
    with without_intervals():
        for _ in range(40):
            rows = generator.integers(0, 40, 40)
            drawn.append(
                average_precision([there[row] for row in rows], [found[row] for row in rows], 3)["map_50"].value
            )
    assert figure.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.05)
    assert figure.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.05)


def box(*numbers: float) -> np.ndarray:
    return np.array(numbers, float).reshape(-1, 4)


def test_what_lies_on_an_ignored_object_is_neither_right_nor_wrong():
    there = [Objects(box(0, 0, 10, 10, 50, 50, 10, 10), np.array([0, 0]), None, None, np.array([False, True]))]
    found = [Objects(box(0, 0, 10, 10, 50, 50, 10, 10), np.array([0, 0]), np.array([0.5, 0.9]))]
    (match,) = match_all(there, found, 0.5)
    assert (match.right.tolist(), match.counted.tolist(), match.objects) == ([False, True], [False, True], 1)
    threshold, f1 = best_threshold([match])
    assert f1 == 1
    assert threshold < 0.5
    assert picture_f1([match], threshold).tolist() == [1]


def test_an_object_is_found_once():
    there = [Objects(box(0, 0, 10, 10), np.array([0]))]
    found = [Objects(box(0, 0, 10, 10, 0, 0, 10, 9), np.array([0, 0]), np.array([0.6, 0.9]))]
    (match,) = match_all(there, found, 0.5)
    assert match.right.tolist() == [True, False]  # the better score takes it
    assert best_threshold([match]) == (pytest.approx(0.75), 1)


def test_confusion_has_the_background_last():
    there = [Objects(box(0, 0, 10, 10, 30, 30, 10, 10, 60, 60, 10, 10), np.array([0, 1, 1]))]
    found = [Objects(box(0, 0, 10, 10, 30, 30, 10, 10, 90, 90, 5, 5), np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7]))]
    counts = confusion(there, found, 2, threshold=0.5, iou=0.5)
    assert counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


def test_a_picture_with_nothing_there_and_nothing_found_is_right():
    empty = Objects(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    assert picture_f1(match_all([empty], [empty], 0.5), 0.5).tolist() == [1]
    assert best_threshold(match_all([empty], [empty], 0.5)) == (0.5, 0.0)
