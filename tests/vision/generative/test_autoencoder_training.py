from __future__ import annotations

import pytest
import torch
from tsugiki.errors import OptionError
from tsugiki.images import Normalize
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_vision.generative import autoencoder_training
from tsugiki_vision.generative.autoencoder import AutoencoderConfig, AutoencoderForImageReconstruction
from tsugiki_vision.generative.autoencoder_training import train_autoencoder
from tsugiki_vision.generative.image_reconstruction import ImageReconstruction

ARGUMENTS = {
    "pretraining_epochs": 3,
    "pretraining_batch_size": 8,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
    "learning_rate": 0.003,
    "save_strategy": "epoch",
    "seed": 5,
}


def network(**config) -> AutoencoderForImageReconstruction:
    torch.manual_seed(0)
    sizes = {"image_size": 6, "hidden_sizes": (12, 8), "code_size": 4, "reconstruction_loss": "squared_error"}
    return AutoencoderForImageReconstruction(AutoencoderConfig(**{**sizes, **config}))


def table(rows: int = 40) -> TensorTable:
    """Bars that brighten from one side to the other: few numbers describe them."""
    generator = torch.Generator().manual_seed(0)
    across, down = torch.rand(2, rows, 6, generator=generator)
    pixels = (across[:, :, None] * down[:, None, :] * 255).byte()[:, None]
    return TensorTable({"pixel_values": pixels, "labels": pixels}, transform=Normalize())


def train(model, folder, **arguments):
    return train_autoencoder(model, TrainingJob(table(), folder, {**ARGUMENTS, **arguments}, progress=False))


@pytest.mark.parametrize("method", ["rbm", "autoencoder"])
def test_every_layer_is_trained_and_then_all_together(method, tmp_path):
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = train(model, tmp_path, pretraining=method)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["fine-tuning", "layer1", "layer2", "layer3"]
    assert [entry["epoch"] for entry in result.history] == list(range(1, 13))
    assert result.steps == 3 * 3 * 5 + 3 * 5
    assert all(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_killed_run_goes_on_after_the_last_layer_and_ends_the_same(tmp_path, monkeypatch):
    unbroken = network()
    train(unbroken, tmp_path / "unbroken")
    trained: list[int] = []
    original = autoencoder_training.train_rbm

    def dies_at_the_second(encoder, *others, **options):
        trained.append(encoder.out_features)
        if trained == [12, 8]:
            raise KeyboardInterrupt
        original(encoder, *others, **options)

    monkeypatch.setattr(autoencoder_training, "train_rbm", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        train(network(), tmp_path / "broken")
    resumed = network()
    train(resumed, tmp_path / "broken")
    assert trained == [12, 8, 8, 4]
    for name, value in unbroken.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6)


def test_without_pretraining_it_is_plain_training(tmp_path):
    result = train(network(activation="relu"), tmp_path, pretraining="none")
    assert [path.name for path in tmp_path.iterdir()] == ["fine-tuning"]
    assert result.steps == 15


def test_validation_measures_the_squared_error(tmp_path):
    task, rows = ImageReconstruction(), table()
    result = train_autoencoder(
        network(),
        TrainingJob(
            rows,
            tmp_path,
            {**ARGUMENTS, "pretraining": "none"},
            validation=rows.select(range(10)),
            task=task,
            progress=False,
        ),
    )
    assert result.history[-1]["eval_squared_error"] == pytest.approx(result.history[-1]["eval_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pretraining": "rmb"}, "pretraining must be one of rbm, autoencoder, none"),
        ({"pretraining_epochs": 0}, "pretraining_epochs must be a whole number of at least 1"),
        ({"pretraining_learning_rate": -1}, "pretraining_learning_rate must be a number above 0"),
        ({"pretraining_damage": 1.0}, "pretraining_damage must be a number of at least 0 and below 1"),
        ({"learning_rat": 0.1}, "unknown training option 'learning_rat'"),
    ],
)
def test_wrong_options_are_one_sentence(arguments, message, tmp_path):
    with pytest.raises(OptionError, match=message):
        train(network(), tmp_path, **arguments)


def test_an_rbm_needs_sigmoid_units(tmp_path):
    with pytest.raises(OptionError, match="the network has relu; set pretraining to 'autoencoder'"):
        train(network(activation="relu"), tmp_path)
