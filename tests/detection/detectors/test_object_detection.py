"""Object detection as a task: its columns, its rows, its figures, what it answers and draws."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset, Features, Image, Value
from datasets import List as ListOf
from PIL import Image as Pillow
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki_detection.detectors.box_labels import AREA, BOX, CLASS, FRAME_AREA
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor
from tsugiki_detection.detectors.object_detection import ObjectDetection
from tsugiki_detection.detectors.predicted_objects import objects_of

from .detection_data import FEATURES, NAMES, pictures

PROCESSOR = LetterboxImageProcessor(size={"height": 64, "width": 64})
TINY = {"image_size": (64, 64), "widths": (4, 8, 8, 16), "depths": (0, 1, 0, 1), "neck_size": 8}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return pictures(6)


def test_columns_are_found_and_rows_are_framed(data):
    task = ObjectDetection()
    assert task.columns(data) == {"image": "image", "objects": "objects"}
    table = task.table(data, PROCESSOR)
    assert table.columns["pixel_values"].shape == (6, 3, 64, 64)
    first, box = table.labels[0, 0], data[0]["objects"]["bbox"][0]
    left, top, wide, high = box
    expected = [(left + wide / 2) / 64, (top + high / 2) / 64, wide / 64, high / 64]
    torch.testing.assert_close(first[BOX], torch.tensor(expected))
    assert first[CLASS] == data[0]["objects"]["category"][0]
    assert first[AREA] == wide * high
    assert first[FRAME_AREA] == 64 * 64  # pictures of 64 x 48 fill three quarters of the frame


def test_classes_go_by_name_not_by_number(data):
    table = ObjectDetection().table(data, PROCESSOR, label_names=["disc", "thing", "square"])
    given = ObjectDetection().table(data, PROCESSOR).labels
    assert torch.equal(
        table.labels[..., CLASS][given[..., CLASS] == 0], torch.full((int((given[..., CLASS] == 0).sum()),), 2.0)
    )
    with pytest.raises(DataError, match="'disc' is none of the model's"):
        ObjectDetection().table(data, PROCESSOR, label_names=["square"])


def changed(data: Dataset, bbox: list, category: list | None = None) -> Dataset:
    """The first picture with other boxes."""
    row = {"image": data[0]["image"], "objects": {"bbox": bbox, "category": category or [0] * len(bbox)}}
    return Dataset.from_list([row], features=FEATURES)


@pytest.mark.parametrize(
    ("bbox", "said"),
    [
        ([[60, 3, 20, 10]], r"row 0, box 0: \[60, 3, 20, 10\] .* reaches out of the picture of 64 x 48"),
        ([[5, 5, 0, 10]], "no width or no height"),
        ([[5, 5, -3, 10]], "no width or no height"),
        ([[5, float("nan"), 3, 10]], "finite"),
        ([[1, 1, 5, 5], [-30, 1, 5, 5]], "row 0, box 1"),
    ],
)
def test_a_box_that_is_none_is_named(data, bbox, said):
    with pytest.raises(DataError, match=said):
        ObjectDetection().table(changed(data, bbox), PROCESSOR)


def test_a_box_over_the_border_by_a_rounding_is_cut(data):
    table = ObjectDetection().table(changed(data, [[-0.5, 0, 64.9, 48.5]]), PROCESSOR)
    torch.testing.assert_close(table.labels[0, 0, BOX], torch.tensor([0.5, 0.375, 1.0, 0.75]))


def test_a_picture_without_boxes_is_background(data):
    table = ObjectDetection().table(changed(data, []), PROCESSOR)
    assert table.labels.shape == (1, 1, 8)
    assert table.labels[0, 0, CLASS] == -100
    assert table.labels[0, 0, FRAME_AREA] == 64 * 64


def test_boxes_by_record_and_classes_in_words():
    features = Features(
        {"image": Image(), "objects": ListOf({"bbox": ListOf(Value("float32"), length=4), "label": Value("string")})}
    )
    rows = [{"image": Pillow.new("RGB", (20, 10)), "objects": [{"bbox": [1, 1, 5, 5], "label": "dog"}]}]
    data = Dataset.from_list([*rows, {"image": Pillow.new("RGB", (20, 10)), "objects": []}], features=features)
    task = ObjectDetection()
    assert task.label_names(data, task.columns(data)) == ["dog"]
    assert task.table(data, PROCESSOR).labels[:, 0, CLASS].tolist() == [0, -100]


def test_what_is_there_found_as_it_is_gives_full_figures(data):
    task = ObjectDetection()
    table = task.table(data, PROCESSOR)
    labels = table.labels
    outputs = np.full((6, 100, 6), -1.0, np.float32)
    for row in range(6):
        for number, one in enumerate(labels[row][labels[row][:, CLASS] >= 0].numpy()):
            low, high = one[1:3] - one[3:5] / 2, one[1:3] + one[3:5] / 2
            outputs[row, number] = [0.9, one[0], *low, *high]
    predictions = Predictions(outputs, labels.numpy())
    metrics = task.metrics(predictions)
    assert {name: metric.value for name, metric in metrics.items()} == dict.fromkeys(metrics, pytest.approx(1))
    assert {"map", "map_50", "map_small", "map_50_square", "map_50_disc"} <= set(metrics)
    assert "map_large" not in metrics
    assert task.row_scores(predictions).tolist() == [1] * 6
    there, _ = objects_of(predictions)
    np.testing.assert_allclose(there[0].boxes[:, 2:].prod(1), there[0].areas, rtol=1e-4)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return tsugiki.create_model(
        "yolo", "object-detection", **TINY, id2label=dict(enumerate(NAMES)), score_threshold=0.0
    )


def test_predictions_answers_and_pictures(model, data, tmp_path):
    task = ObjectDetection()
    table = task.table(data, PROCESSOR, label_names=NAMES)
    predictions = predict_table(model, table, task=task)
    assert predictions.outputs.shape == (6, 100, 6)
    figures = task.figures(predictions, table, tmp_path, label_names=NAMES)
    assert [(tmp_path / one.file).stat().st_size > 1000 for one in figures] == [True] * 3
    photo = data[0]["image"].convert("RGB")
    (answers,) = task.predict(model, PROCESSOR, [photo], top_k=100)
    assert answers
    assert set(answers[0]) == {"label", "score", "box"}
    assert all(0 <= one["box"]["xmin"] <= one["box"]["xmax"] <= 64 for one in answers)
    drawn = Pillow.open(io.BytesIO(task.show(answers[:5], photo)))
    assert drawn.size == photo.size
    assert np.asarray(drawn).tolist() != np.asarray(photo).tolist()


def test_the_pipeline_gives_boxes_that_are_not_cut_to_integers(model, data, tmp_path):
    model.save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    pipe = tsugiki.pipeline(tmp_path, "object-detection")
    found = pipe(data[0]["image"].convert("RGB"))
    assert found
    assert any(one["box"]["xmin"] != int(one["box"]["xmin"]) for one in found)
    assert pipe(data[0]["image"].convert("RGB"), threshold=0.999) == []
