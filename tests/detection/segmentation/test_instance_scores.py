"""Figures of instances: pycocotools' own, panoptic quality by hand, and what threshold and void do."""

from __future__ import annotations

import numpy as np
import pytest
from tsugiki.metrics import without_intervals
from tsugiki.predictions import Predictions
from tsugiki_detection.detectors.average_precision import encoded_masks
from tsugiki_detection.segmentation.instance_grouping import Instances, renumbered
from tsugiki_detection.segmentation.instance_labels import LABEL_DIVISOR
from tsugiki_detection.segmentation.instance_scores import (
    FoundCounts,
    instance_metrics,
    kept_row,
    objects_of,
    real_objects,
    shown_row,
)

from .conftest import disc

SIDE = 48


def random_pictures(count: int, classes: int = 2) -> Predictions:
    """Discs of two classes, and what someone found who sees them shifted, misses some and sees others."""
    generator = np.random.default_rng(0)
    outputs, labels = [], []
    for _ in range(count):
        real, said = np.zeros((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE), np.int64)
        kinds = generator.integers(0, classes, 9)
        for number in range(9):
            x, y = 8 + 16 * (number % 3), 8 + 16 * (number // 3)
            radius, there, seen = generator.uniform(3, 7), generator.random() < 0.7, generator.random() < 0.7
            if there:
                real[disc(SIDE, x=x, y=y, radius=radius)] = kinds[number] * LABEL_DIVISOR + number + 1
            if seen:
                shift = generator.normal(size=2) * 1.2
                said[disc(SIDE, x=x + shift[0], y=y + shift[1], radius=radius)] = number + 1
        kinds = np.where(generator.random(9) < 0.9, kinds, generator.integers(0, classes, 9))
        found = renumbered(said, generator.random(9).round(2), kinds)
        labels.append(real)
        outputs.append(kept_row(found, 0.25))
    return Predictions(outputs, np.stack(labels))


def test_run_lengths_are_those_of_pycocotools():
    from pycocotools.mask import encode

    generator = np.random.default_rng(0)
    for shape in ((1, 1), (7, 5), (30, 41)):
        numbers = generator.integers(0, 5, shape).astype(np.uint16)
        numbers[-1, -1] = 4  # the last run is an object's
        found = encoded_masks(numbers)
        assert len(found) == 4
        for number, one in enumerate(found, 1):
            expected = encode(np.asfortranarray(numbers == number, np.uint8))
            assert (one["size"], one["counts"]) == (expected["size"], expected["counts"])
    assert encoded_masks(np.zeros((3, 3), np.uint16)) == []


def of_pycocotools(predictions: Predictions, classes: int) -> tuple[float, float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    from pycocotools.mask import area, encode

    annotations, detections = [], []
    for picture, (row, labels) in enumerate(zip(predictions.outputs, predictions.labels, strict=True), 1):
        for value in np.unique(labels[labels > 0]):
            mask = encode(np.asfortranarray(labels == value, np.uint8))
            one = {"image_id": picture, "category_id": int(value) // LABEL_DIVISOR + 1, "segmentation": mask}
            annotations.append({**one, "id": len(annotations) + 1, "iscrowd": 0, "area": float(area(mask))})
        for number, (score, label) in enumerate(zip(row["scores"], row["classes"], strict=True), 1):
            mask = encode(np.asfortranarray(row["numbers"] == number, np.uint8))
            one = {"image_id": picture, "category_id": int(label) + 1, "segmentation": mask}
            detections.append({**one, "score": float(score)})
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number, "height": SIDE, "width": SIDE} for number in range(1, len(predictions) + 1)],
        "annotations": annotations,
        "categories": [{"id": number + 1} for number in range(classes)],
        "info": {},
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(detections), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def test_average_precision_of_masks_is_that_of_pycocotools(capsys):
    predictions = random_pictures(12)
    with without_intervals():
        found = instance_metrics(predictions, ["a", "b"])
    expected = of_pycocotools(predictions, 2)
    assert (found["mask_map"].value, found["mask_map_50"].value) == pytest.approx(expected, abs=1e-9)
    assert 0.1 < found["mask_map"].value < found["mask_map_50"].value < 1
    assert {"mask_map_50_a", "mask_map_50_b"} <= set(found)


def by_hand(predictions: Predictions, classes: int) -> tuple[float, float]:
    """F1 and panoptic quality by the pairs of masks that overlap by more than one half."""
    totals = np.zeros((classes, 4))
    for row, labels in zip(predictions.outputs, predictions.labels, strict=True):
        shown = [number for number, score in enumerate(row["scores"], 1) if score >= row["threshold"]]
        said = [(row["numbers"] == number, row["classes"][number - 1]) for number in shown]
        real = [(labels == value, value // LABEL_DIVISOR) for value in np.unique(labels[labels > 0])]
        for mask, kind in said:
            totals[kind, 1] += 1
            for other, own in real:
                overlap = (mask & other).sum() / (mask | other).sum()
                if kind == own and overlap > 0.5:
                    totals[kind, [0, 3]] += (1, overlap)
        for _, own in real:
            totals[own, 2] += 1
    right, said, real, overlap = totals.T
    return float(2 * right.sum() / (said + real).sum()), float((overlap / ((said + real) / 2)).mean())


def test_f1_and_panoptic_quality_are_those_by_hand():
    predictions = random_pictures(10)
    found = instance_metrics(predictions, ["a", "b"])
    assert (found["f1_50"].value, found["pq"].value) == pytest.approx(by_hand(predictions, 2))
    assert all(found[name].low < found[name].value < found[name].high for name in ("mask_map_50", "f1_50", "pq"))
    objects = sum(len(np.unique(labels)) - 1 for labels in predictions.labels)
    assert found["f1_50"].n == found["mask_map_50"].n == objects


def test_quality_of_one_picture_by_arithmetic():
    labels = np.zeros((1, 10, 10), np.int32)
    labels[0, :4, :5], labels[0, 6:, :5] = 1, 2
    numbers = np.zeros((10, 10), np.uint16)
    numbers[:4, :4], numbers[:2, 7:] = 1, 2  # 16 of 20 pixels, and what is not there; one is missed
    row = kept_row(Instances(numbers, np.array([0.9, 0.8]), np.zeros(2, np.int64)), 0.5)
    found = instance_metrics(Predictions([row], labels), ["a"])
    assert found["pq"].value == pytest.approx(0.8 / (1 + 0.5 + 0.5))
    assert found["f1_50"].value == pytest.approx(2 / (2 + 1 + 1))
    lower = instance_metrics(Predictions([{**row, "threshold": 0.85}], labels), ["a"])
    assert lower["f1_50"].value == pytest.approx(2 / (2 + 0 + 1))
    assert lower["mask_map_50"] == found["mask_map_50"]


def test_all_that_is_there_and_nothing_else_is_1():
    labels = random_pictures(4).labels
    rows = [kept_row(real_objects(one), 0.5) for one in labels]
    found = instance_metrics(Predictions(rows, labels), ["a", "b"])
    assert {found[name].value for name in ("mask_map", "mask_map_50", "f1_50", "pq")} == {1.0}


def test_a_picture_with_nothing_there_and_nothing_found_is_right():
    nothing = kept_row(Instances(np.zeros((4, 4), np.uint16), np.zeros(0), np.zeros(0, np.int64)), 0.5)
    predictions = Predictions([nothing], np.zeros((1, 4, 4), np.int32))
    counts = FoundCounts.of(predictions, 1)
    assert counts.picture_f1().tolist() == [1.0] and counts.panoptic_quality(slice(None)) == 1.0


def test_what_lies_on_pixels_that_ask_for_nothing_is_neither_right_nor_wrong():
    labels = np.zeros((1, 12, 12), np.int32)
    labels[0, :5, :5], labels[0, 7:, :] = 1, -100
    numbers = np.zeros((12, 12), np.uint16)
    numbers[:5, :5], numbers[8:11, 2:5], numbers[1:4, 8:11] = 1, 2, 3
    scores = np.array([0.5, 0.9, 0.4])
    row = kept_row(Instances(numbers, scores, np.zeros(3, np.int64)), 0.1)
    counts = FoundCounts.of(Predictions([row], labels), 1)
    assert (counts.right.item(), counts.wrong.item(), counts.missed.item()) == (1, 1, 0)
    assert instance_metrics(Predictions([row], labels), ["a"])["mask_map_50"].value == pytest.approx(1)


def test_rows_are_kept_to_the_bit(tmp_path):
    predictions = random_pictures(3)
    predictions.save(tmp_path / "kept.npz")
    again = Predictions.load(tmp_path / "kept.npz")
    for one, other in zip(predictions.outputs, again.outputs, strict=True):
        assert one["numbers"].dtype == other["numbers"].dtype == np.uint16
        assert np.array_equal(shown_row(one).numbers, shown_row(other).numbers)
    pairs = zip(*objects_of(again, 2), strict=True)
    assert all(len(there.masks) == len(there.boxes) and found.masks is not None for there, found in pairs)
