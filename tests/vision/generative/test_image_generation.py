from __future__ import annotations

import math

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.picture_processing import GrayscaleImageProcessor
from tsugiki.predictions import Predictions
from tsugiki_vision.generative.image_generation import UnconditionalImageGeneration
from tsugiki_vision.generative.pixelcnn import PixelCNNConfig, PixelCNNForImageGeneration
from tsugiki_vision.generative.vae import VAEConfig, VAEForImageGeneration

SIDE = 6
PROCESSOR = GrayscaleImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=[0.0], image_std=[1.0])


def dataset(count: int = 12) -> datasets.Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    return datasets.Dataset.from_dict({"image": [Image.fromarray(one) for one in pixels]}).cast_column(
        "image", datasets.Image()
    )


@pytest.fixture(params=["vae", "pixelcnn"])
def model(request):
    torch.manual_seed(0)
    if request.param == "vae":
        return VAEForImageGeneration(VAEConfig(image_size=SIDE, hidden_sizes=(9,), latent_size=4)).eval()
    return PixelCNNForImageGeneration(PixelCNNConfig(image_size=SIDE, hidden_size=4, num_blocks=1)).eval()


def test_bits_per_dimension_are_nats_on_another_scale():
    predictions = Predictions(np.array([10.0, 30.0], np.float32), np.zeros((2, 3, 4, 5), np.uint8))
    metrics = UnconditionalImageGeneration().metrics(predictions)
    assert metrics["negative_log_likelihood"].value == 20
    assert metrics["bits_per_dimension"].value == pytest.approx(20 / math.log(2) / 60)


def test_some_rows_have_the_figures_that_they_have_among_all(model):
    """Fast verification measures a subset, and must find the very sum that is on record."""
    task = UnconditionalImageGeneration()
    everything = task.row_scores(predict_table(model, task.table(dataset(), PROCESSOR), task=task, batch_size=5))
    rows = [1, 4, 5, 11]
    some = task.row_scores(predict_table(model, task.table(dataset().select(rows), PROCESSOR), task=task))
    np.testing.assert_allclose(some, everything[rows], rtol=1e-5)
    answers = task.predict(model, PROCESSOR, [dataset()[1]["image"]])
    assert answers[0][0]["label"] == "negative_log_likelihood"
    assert answers[0][0]["score"] == pytest.approx(everything[1], rel=1e-5)


def test_card_shows_the_first_samples(model, tmp_path):
    task = UnconditionalImageGeneration()
    (picture,) = task.model_figures(model, tmp_path)
    first = (tmp_path / picture.file).read_bytes()
    with Image.open(tmp_path / picture.file) as image:
        assert image.size == ((8 * (SIDE + 2) + 2) * 10,) * 2
    task.model_figures(model, tmp_path)
    assert (tmp_path / picture.file).read_bytes() == first
