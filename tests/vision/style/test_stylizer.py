from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset, Features, Image, Value
from huggingface_hub.errors import StrictDataclassError
from PIL import Image as PillowImage
from tsugiki.errors import DataError, OptionError, SnapshotError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.images import Normalize
from tsugiki.labelled_task import BoundTask
from tsugiki.tensor_table import TensorTable
from tsugiki.testing import check_family
from tsugiki.training.job import TrainingJob
from tsugiki_vision.style.image_to_image import ImageToImage
from tsugiki_vision.style.style_judge import judge_of, painting
from tsugiki_vision.style.stylizer import StylizerConfig, StylizerModel, paint
from tsugiki_vision.style.stylizer_training import train_stylizer

from .style_fixtures import TITLE, photographs, save_paintings, save_tiny_vgg

TASK = ImageToImage()
NORMALIZE = Normalize((0.5,), (0.5,))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("style")
    return {
        "hidden_channels": (4, 6, 8),
        "residual_blocks": 1,
        "image_size": 32,
        "style": TITLE,
        "style_data": str(save_paintings(folder / "paintings")),
        "style_size": 40,
        "loss_network": str(save_tiny_vgg(folder / "vgg")),
    }


def stylizer(config, **fields) -> StylizerModel:
    torch.manual_seed(0)
    return StylizerModel(StylizerConfig(**{**config, **fields}))


@pytest.fixture
def table():
    pixels = (photographs(8) * 255).round().byte()
    return TensorTable({"pixel_values": pixels}, transform=NORMALIZE)


def test_the_papers_network_has_its_number_of_parameters():
    """1,679,235 with the paper's sizes: 9x9x3x32 to begin with, five blocks of two 3x3x128x128, and so on."""

    def convolution(kernel, inputs, outputs, norm=True):
        return kernel**2 * inputs * outputs + outputs + 2 * outputs * norm

    expected = sum(
        [
            convolution(9, 3, 32), convolution(3, 32, 64), convolution(3, 64, 128),
            5 * 2 * convolution(3, 128, 128),
            convolution(3, 128, 64), convolution(3, 64, 32), convolution(9, 32, 3, norm=False),
        ]
    )  # fmt: skip
    assert expected == 1_679_235
    model = StylizerModel(StylizerConfig(hidden_channels=(32, 64, 128), residual_blocks=5))
    assert model.num_parameters() == expected
    assert StylizerModel(StylizerConfig()).num_parameters() == 350_787


@pytest.mark.parametrize("size", [(32, 32), (8, 8), (37, 22), (9, 50)])
def test_pictures_of_any_size_keep_it(config, size):
    painted = stylizer(config).eval()(torch.randn(2, 3, *size)).reconstruction
    assert painted.shape == (2, 3, *size)
    assert painted.min() >= 0 and painted.max() <= 1


def test_a_picture_is_painted_alone_as_in_its_batch(config):
    model = stylizer(config).eval()
    pictures = photographs(3)
    torch.testing.assert_close(paint(model, pictures), torch.cat([paint(model, one[None]) for one in pictures]))


def test_passes_the_conformance_checks():
    check_family("vision", "stylizer", hidden_channels=(4, 6, 8), residual_blocks=1, image_size=16)


def test_contrast_and_brightness_do_not_matter_within_the_picture(config):
    """What instance normalisation is for; zero padding would break it, mirrored pixels do not."""
    model = stylizer(config).eval()
    pixels = torch.rand(1, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(
        model(pixels).reconstruction, model(0.5 * pixels + 0.1).reconstruction, rtol=0, atol=1e-3
    )


def test_labels_give_the_mean_squared_difference_and_gradients_everywhere(config):
    model = stylizer(config)
    pixels, wanted = torch.randn(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    output = model(pixels, labels=wanted)
    torch.testing.assert_close(output.loss, (output.reconstruction - wanted).square().mean())
    output.loss.backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


def test_saved_and_loaded_it_paints_the_same(config, tmp_path):
    model = stylizer(config).eval()
    model.save_pretrained(tmp_path)
    loaded = tsugiki.load(tmp_path)
    assert type(loaded) is StylizerModel
    assert loaded.config.style == TITLE
    assert torch.equal(paint(loaded, photographs(1)), paint(model, photographs(1)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_channels": (4, 4)}, "hidden_channels must be three positive"),
        ({"residual_blocks": -1}, "residual_blocks at least 0"),
        ({"image_size": 4}, "image_size must be at least 8"),
        ({"style": 3}, "style"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        StylizerConfig(**fields)


def test_pictures_that_are_too_small_are_refused(config):
    with pytest.raises(ValueError, match="too small: this network takes pictures of at least 8 pixels"):
        stylizer(config)(torch.randn(1, 3, 6, 20))


def test_training_lowers_the_style_loss(config, table, tmp_path):
    model = stylizer(config)
    before = TASK.metrics(predict_table(model, table, task=TASK))
    arguments = {
        "num_train_epochs": 8,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.01,
        "save_strategy": "epoch",
    }
    result = train_stylizer(model, TrainingJob(table, tmp_path, arguments, task=TASK, progress=False))
    after = TASK.metrics(predict_table(model, table, task=TASK))
    assert len(result.history) == 8
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert after["style_loss_ratio"].value < before["style_loss_ratio"].value
    assert not model.training


def test_the_judge_is_in_no_checkpoint(config, table, tmp_path):
    from safetensors.torch import load_file

    arguments = {"max_steps": 1, "per_device_train_batch_size": 4, "save_strategy": "steps", "save_steps": 1}
    model = stylizer(config)
    train_stylizer(model, TrainingJob(table, tmp_path, arguments, progress=False))
    saved = load_file(tmp_path / "checkpoint-1" / "model.safetensors")
    assert {name.removeprefix("stylizer.") for name in saved} == set(model.state_dict())


def test_a_resumed_run_ends_with_the_same_weights(config, table, tmp_path):
    arguments = {"per_device_train_batch_size": 4, "save_strategy": "epoch", "learning_rate": 0.01, "seed": 1}
    models = [stylizer(config), stylizer(config)]
    whole = {**arguments, "num_train_epochs": 3, "lr_scheduler_type": "constant"}
    train_stylizer(models[0], TrainingJob(table, tmp_path / "whole", whole, progress=False))
    train_stylizer(models[1], TrainingJob(table, tmp_path / "cut", {**whole, "num_train_epochs": 1}, progress=False))
    resumed = stylizer(config)
    train_stylizer(resumed, TrainingJob(table, tmp_path / "cut", whole, progress=False))
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"beta": -1}, "beta must be a number of at least 0"), ({"betta": 1}, "unknown training option 'betta'")],
)
def test_training_refuses(config, table, tmp_path, arguments, message):
    with pytest.raises(OptionError, match=message):
        train_stylizer(stylizer(config), TrainingJob(table, tmp_path, arguments, progress=False))


def test_an_unknown_painting_suggests_the_nearest(config):
    with pytest.raises(DataError, match=r"has no picture 'Strips \(2024\)'\. Did you mean 'Stripes \(2024\)'"):
        painting(config["style_data"], "Strips (2024)")


def test_the_metrics_are_the_means_of_what_the_judge_says(config, table):
    model = stylizer(config).eval()
    predictions = predict_table(model, table, batch_size=3, task=TASK)
    pictures = table.columns["pixel_values"].float() / 255
    with torch.no_grad():
        judge = judge_of(model.config)
        style, content = judge.losses(paint(model, pictures), pictures)
        before = judge.style_of(pictures)
    metrics = TASK.metrics(predictions)
    assert metrics["style_loss_ratio"].value == pytest.approx(float(style.mean() / before.mean()), rel=1e-4)
    assert metrics["content_loss"].value == pytest.approx(float(content.mean()), rel=1e-4)
    assert metrics["style_loss_ratio"].low <= metrics["style_loss_ratio"].value <= metrics["style_loss_ratio"].high
    np.testing.assert_allclose(TASK.row_scores(predictions), (style + content).numpy(), rtol=1e-4)


def test_the_painting_itself_has_no_style_loss(config):
    model_config = StylizerConfig(**config)
    picture = painting(config["style_data"], TITLE)  # (3, 24, 40), and style_size is 40
    assert judge_of(model_config).style_of(picture[None]).item() == pytest.approx(0, abs=1e-8)


def test_a_card_shows_photographs_and_what_became_of_them(config, table, tmp_path):
    predictions = predict_table(stylizer(config), table, task=TASK)
    (picture,) = TASK.figures(predictions, table, tmp_path)
    with PillowImage.open(tmp_path / picture.file) as drawn:
        assert drawn.size == (6 * 32, 2 * 32)
        pixels = np.asarray(drawn)
    photograph = table.columns["pixel_values"][2].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(pixels[:32, 64:96], photograph)


def photograph_data(column="image", **others) -> Dataset:
    pictures = [PillowImage.new("RGB", (10, 8), (20 * row, 100, 50)) for row in range(3)]
    return Dataset.from_dict(
        {column: pictures, **others},
        features=Features({column: Image(), **{name: Value("string") for name in others}}),
    )


def test_the_task_needs_a_column_of_pictures_and_no_labels():
    from tsugiki.picture_processing import ColorImageProcessor

    data = photograph_data("photo", caption=["a", "b", "c"])
    assert TASK.columns(data) == {"image": "photo"}
    table = TASK.table(data, ColorImageProcessor(size={"height": 8, "width": 8}))
    assert list(table.columns) == ["pixel_values"]
    assert table.batch([0])["pixel_values"].shape == (1, 3, 8, 8)
    assert BoundTask.to_data(TASK, data, {"image": "photo"}).config_fields() == {}
    with pytest.raises(DataError, match="no column 'foto'"):
        TASK.columns(data, {"image": "foto"})
    with pytest.raises(DataError, match="no role 'label', only image"):
        TASK.columns(data, {"label": "caption"})
    with pytest.raises(DataError, match="no column of pictures"):
        TASK.columns(datasets.Dataset.from_dict({"text": ["a"]}))


def test_predicting_labels_is_refused(config):
    with pytest.raises(OptionError, match="has no labels: `tsugiki stylize PICTURE --model NAME`"):
        TASK.predict(stylizer(config), None, [None])


def test_a_recipe_trains_and_measures_it(config, tmp_path, monkeypatch):
    import yaml
    from tsugiki.recipes.train_recipe import train

    for split in ("train", "test"):
        (tmp_path / "data").mkdir(exist_ok=True)
        photograph_data().to_parquet(str(tmp_path / "data" / f"{split}.parquet"))
    recipe = {
        "name": "stylize-stripes",
        "plugin": "vision",
        "family": "stylizer",
        "task": "image-to-image",
        "license": "other",
        "license_name": "none",
        "config": {**config, "hidden_channels": list(config["hidden_channels"])},
        "processor": {"size": {"height": 32, "width": 32}},
        "data": {"id": str(tmp_path / "data"), "train": "train", "evaluation": "test", "license": "unknown"},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 2, "beta": 5.0},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    output = train(tmp_path / "recipe.yaml", output_dir=tmp_path / "out", progress=False)
    assert sorted(path.name for path in output.iterdir()) == [
        "config.json", "model.safetensors", "painted.png", "preprocessor_config.json", "provenance.json"
    ]  # fmt: skip
    assert isinstance(tsugiki.load(output), StylizerModel)
    with pytest.raises(SnapshotError, match=r"judges this style lay in a folder, \./vgg, .* run the command beside it"):
        tsugiki.evaluate(output, str(tmp_path / "data"), split="test")
    monkeypatch.chdir(Path(config["loss_network"]).parent)
    metrics = tsugiki.evaluate(output, str(tmp_path / "data"), split="test")
    assert set(metrics) == {"style_loss_ratio", "content_loss"}
