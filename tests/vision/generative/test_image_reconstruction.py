from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.labelled_task import BoundTask, LabelledTask
from tsugiki.picture_processing import GrayscaleImageProcessor
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask
from tsugiki_vision.generative.autoencoder import AutoencoderConfig, AutoencoderForImageReconstruction
from tsugiki_vision.generative.image_reconstruction import ImageReconstruction

SIDE = 6


def processor(**options) -> GrayscaleImageProcessor:
    return GrayscaleImageProcessor(
        **{"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.0], "image_std": [1.0], **options}
    )


def dataset(count: int = 12) -> datasets.Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    columns = {"image": [Image.fromarray(one) for one in pixels], "label": list(range(count))}
    return datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())


@pytest.fixture
def model() -> AutoencoderForImageReconstruction:
    torch.manual_seed(0)
    config = AutoencoderConfig(image_size=SIDE, hidden_sizes=(9,), code_size=4)
    return AutoencoderForImageReconstruction(config).eval()


def test_squared_error_is_that_of_pixels_from_0_to_1(model):
    task, rows = ImageReconstruction(), dataset()
    table = task.table(rows, processor())
    predictions = predict_table(model, table, task=task, batch_size=5)
    pixels = np.stack([np.asarray(one) for one in rows["image"]]) / 255
    with torch.inference_mode():
        found = model(torch.from_numpy(pixels[:, None]).float()).reconstruction.numpy()[:, 0]
    errors = ((found - pixels) ** 2).sum((1, 2))
    np.testing.assert_allclose(task.row_scores(predictions), errors, rtol=1e-5)
    metric = task.metrics(predictions)["squared_error"]
    assert metric.value == pytest.approx(errors.mean())
    assert metric.low < metric.value < metric.high
    answers = task.predict(model, processor(), list(rows["image"][:2]))
    assert [answer[0]["label"] for answer in answers] == ["squared_error"] * 2
    np.testing.assert_allclose([answer[0]["score"] for answer in answers], errors[:2], rtol=1e-5)


def test_needs_no_labels():
    task, rows = ImageReconstruction(), dataset().remove_columns("label")
    assert task.columns(rows) == {"image": "image"}
    assert not isinstance(task, LabelledTask | CountedTask)
    assert BoundTask.to_data(task, rows, {"image": "image"}).config_fields() == {}
    assert not task.greater_is_better


def test_refuses_pixels_on_another_scale():
    with pytest.raises(DataError, match="pixels from 0 to 1, and the image processor gives others"):
        ImageReconstruction().table(dataset(), processor(image_mean=[0.5], image_std=[0.5]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label": "label"}, "has no role 'label', only image"),
        ({"image": "imag"}, "no column 'imag'.*Did you mean 'image'"),
        ({"image": "label"}, "holds .*, not pictures"),
    ],
)
def test_wrong_columns_are_one_sentence(given, message):
    with pytest.raises(DataError, match=message):
        ImageReconstruction().columns(dataset(), given)


def test_several_columns_of_pictures_have_to_be_named():
    pictures = [Image.new("L", (SIDE, SIDE))]
    rows = datasets.Dataset.from_dict({"image": pictures, "other": pictures})
    with pytest.raises(DataError, match="several columns"):
        ImageReconstruction().columns(rows)
    assert ImageReconstruction().columns(rows, {"image": "other"}) == {"image": "other"}


def test_picture_shows_pictures_above_reconstructions(model, tmp_path):
    task = ImageReconstruction()
    table = task.table(dataset(), processor())
    labels = table.labels.numpy()
    predictions = Predictions(labels.astype(np.float32) / 255, labels)  # a network that loses nothing
    (picture,) = task.figures(predictions, table, tmp_path)
    with Image.open(tmp_path / picture.file) as image:
        drawn = np.asarray(image)
    height = (SIDE + 2) * 10  # enlarged to at least 56 pixels
    np.testing.assert_array_equal(drawn[20 : 20 + SIDE * 10], drawn[20 + height : 20 + height + SIDE * 10])
    assert "squared error 0.0 to 0.0" in picture.caption
