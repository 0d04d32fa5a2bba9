"""Landmarks: mean places, the loss and the errors by their formulas; points that move with the picture."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset, Features, Image, Value
from datasets import List as ListOf
from PIL import Image as Pillow
from tsugiki.errors import DataError, OptionError
from tsugiki.predictions import Predictions
from tsugiki.tensor_table import TensorTable
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor
from tsugiki_detection.landmarks.keypoint_detection import KeypointDetection, reference
from tsugiki_detection.landmarks.landmark_augmentation import LandmarkAugmentation
from tsugiki_detection.landmarks.landmark_network import (
    BETA,
    LandmarkConfig,
    LandmarkForKeypointDetection,
    landmark_loss,
    mean_places,
)

TINY = {"image_size": (32, 32), "widths": (4, 8, 8), "depths": (0, 1, 0), "neck_size": 8, "num_landmarks": 3}
PROCESSOR = LetterboxImageProcessor(size={"height": 32, "width": 32})


def data(points: list, size: tuple[int, int] = (40, 20)) -> Dataset:
    width = len(points[0][0])
    features = Features({"image": Image(), "keypoints": ListOf(ListOf(Value("float32"), length=width))})
    pictures = [Pillow.new("RGB", size, (number * 20, 90, 120)) for number in range(len(points))]
    return Dataset.from_dict({"image": pictures, "keypoints": points}, features=features)


def test_the_mean_place_of_one_place_is_its_middle():
    shares = torch.zeros(1, 1, 4, 5)
    shares[0, 0, 1, 3] = 1
    assert mean_places(shares)[0, 0].tolist() == pytest.approx([3.5 / 5, 1.5 / 4])
    shares[0, 0] = 1 / 20
    assert mean_places(shares)[0, 0].tolist() == pytest.approx([0.5, 0.5])


def test_the_loss_is_its_formula():
    keypoints = torch.tensor([[[0.5, 0.5], [0.2, 0.2], [0.9, 0.9]]])
    labels = torch.tensor([[[0.51, 0.5, 1.0], [0.3, 0.6, 1.0], [0.0, 0.0, 0.0]]])
    logits = torch.tensor([[2.0, 1.0, -1.0]])
    small, large = 0.5 * 0.01**2 / BETA, (0.1 - BETA / 2) + (0.4 - BETA / 2)
    entropy = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1)), math.log(1 + math.exp(-1))]
    expected = 100 * (small + large) / 2 + 0.1 * sum(entropy) / 3
    assert landmark_loss(keypoints, logits, labels, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_a_point_that_is_not_seen_has_no_gradient():
    keypoints = torch.rand(1, 3, 2, requires_grad=True)
    labels = torch.tensor([[[0.5, 0.5, 1.0], [0.5, 0.5, 0.0], [0.5, 0.5, -1.0]]])
    logits = torch.zeros(1, 3, requires_grad=True)
    landmark_loss(keypoints, logits, labels, 0.1).backward()
    assert keypoints.grad[0, 0].abs().sum() > 0
    assert keypoints.grad[0, 1:].abs().sum() == 0
    assert (logits.grad[0] != 0).tolist() == [True, True, False]


def test_rows_are_framed_and_errors_measured():
    task = KeypointDetection()
    rows = data([[[10, 5], [30, 5], [20, 15]], [[0, 0], [40, 20], [20, 10]]])
    table = task.table(rows, PROCESSOR)
    torch.testing.assert_close(table.labels[0], torch.tensor([[0.25, 0.125, 1], [0.75, 0.125, 1], [0.5, 0.375, 1]]))
    labels = table.labels.numpy()
    found = labels.copy()
    found[0, 2, 0] += 0.1  # 0.1 of the frame, where the eyes are 0.5 apart
    task._eyes = (0, 1)
    metrics = task.metrics(Predictions(found, labels))
    assert metrics["nme"].value == pytest.approx(0.2 / 3 / 2, rel=1e-5)
    assert metrics["pck"].value == pytest.approx(5 / 6)
    assert task.row_scores(Predictions(found, labels)).tolist() == pytest.approx([-0.2 / 3, 0])
    assert reference(labels, None)[0] == pytest.approx(math.hypot(0.5, 0.25))


def test_points_that_are_not_seen_are_not_measured():
    task = KeypointDetection()
    table = task.table(data([[[10, 5, 1], [30, 5, 1], [0, 0, 0]]]), PROCESSOR)
    found = table.labels.numpy().copy()
    found[0, 2] = [0.9, 0.9, 0.2]
    metrics = task.metrics(Predictions(found, table.labels.numpy()))
    assert metrics["nme"].value == 0
    assert metrics["visible_accuracy"].value == 1


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[[1, 2], [3, 4]], [[1, 2]]], "row 1 has not 2 points"),
        ([[[1, 2]], [[math.nan, 2]]], "row 1 has a point that is no pair of finite numbers"),
    ],
)
def test_points_that_are_none_are_named(points, said):
    with pytest.raises(DataError, match=said):
        KeypointDetection().table(data(points), PROCESSOR)


def dots(rows: int = 4) -> TensorTable:
    """Dark pictures with two bright dots each."""
    pixels, labels = torch.zeros(rows, 3, 48, 64, dtype=torch.uint8), torch.ones(rows, 2, 3)
    for row in range(rows):
        for number, (x, y) in enumerate(((20 + row, 18), (42, 26 + row))):
            pixels[row, :, y - 2 : y + 3, x - 2 : x + 3] = 255 if number == 0 else 180
            labels[row, number, :2] = torch.tensor([(x + 0.5) / 64, (y + 0.5) / 48])
    return TensorTable({"pixel_values": pixels, "labels": labels})


@pytest.mark.parametrize("fields", [{"degrees": 30}, {"zoom": 0.3}, {"translate": 0.1}, {"degrees": 20, "zoom": 0.2}])
def test_points_move_with_the_picture(fields):
    rows = dots().with_augmentation(LandmarkAugmentation(**fields), seed=2)
    moved = 0.0
    for epoch in range(4):
        rows.epoch = epoch
        batch = rows.batch(range(4))
        for picture, points, before in zip(batch["pixel_values"], batch["labels"], dots().labels, strict=True):
            for x, y, _ in points.tolist():
                column, row = int(x * 64), int(y * 48)
                assert picture[:, row - 1 : row + 2, column - 1 : column + 2].float().max() > 120
            moved = max(moved, float((points - before).abs().max()))
    assert moved > 0.03


def test_in_a_mirror_points_change_their_names():
    rows = dots(30).with_augmentation(LandmarkAugmentation(mirrored=(1, 0)), seed=0)
    batch, before = rows.batch(range(30)), dots(30).labels
    mirrored = 0
    for points, old in zip(batch["labels"], before, strict=True):
        if not torch.equal(points, old):
            mirrored += 1
            torch.testing.assert_close(points[0], torch.tensor([1 - old[1, 0], old[1, 1], 1]))
            torch.testing.assert_close(points[1], torch.tensor([1 - old[0, 0], old[0, 1], 1]))
    assert 5 < mirrored < 25
    with pytest.raises(OptionError, match="names 3 of 2 landmarks"):
        dots().with_augmentation(LandmarkAugmentation(mirrored=(0, 2, 1)), seed=0).batch([0])


@pytest.mark.parametrize("fields", [{"mirrored": (1, 1)}, {"zoom": 1.0}, {"degrees": -1}, {"mirrored": 3}])
def test_what_is_out_of_range_is_refused(fields):
    with pytest.raises(OptionError):
        LandmarkAugmentation(**fields)


def test_a_recipe_reads_and_writes_the_mirror_as_a_list():
    augmentation = LandmarkAugmentation.from_dict({"degrees": 5, "mirrored": [1, 0]})
    assert augmentation.to_dict() == {"kind": "landmarks", "degrees": 5, "mirrored": [1, 0]}


def test_answers_pipeline_and_picture(tmp_path):
    torch.manual_seed(0)
    model = LandmarkForKeypointDetection(LandmarkConfig(**TINY, landmark_names=["left", "right", "chin"])).eval()
    picture = Pillow.new("RGB", (40, 20), (90, 90, 90))
    task = KeypointDetection()
    (answers,) = task.predict(model, PROCESSOR, [picture])
    assert [one["label"] for one in answers] == ["left", "right", "chin"]
    assert all(0 <= one["point"]["x"] <= 40 and 0 <= one["point"]["y"] <= 20 for one in answers)
    drawn = np.asarray(Pillow.open(io.BytesIO(task.show(answers, picture))))
    assert drawn.shape == (20, 40, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1
    model.save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    found = tsugiki.pipeline(tmp_path, "keypoint-detection")(picture)
    for one, other in zip(found, answers, strict=True):
        assert one["point"] == pytest.approx(other["point"], abs=1e-3)


def test_other_points_get_a_new_head():
    model = LandmarkForKeypointDetection(LandmarkConfig(**TINY))
    task = KeypointDetection()
    rows = data([[[1, 2], [3, 4]]])
    found = task.adapted(model, PROCESSOR, rows, task.columns(rows))
    assert found.head_fields["num_landmarks"] == 2
    assert "2 landmarks" in found.why
    same = data([[[1, 2], [3, 4], [5, 6]]])
    assert not task.adapted(model, PROCESSOR, same, task.columns(same)).head_fields
