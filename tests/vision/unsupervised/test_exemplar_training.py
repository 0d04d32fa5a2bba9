from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki.augmentation import Augmentation
from tsugiki.errors import DataError, OptionError
from tsugiki.images import Normalize
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_vision.unsupervised import exemplar_training
from tsugiki_vision.unsupervised.exemplar_cnn import ExemplarCNNConfig, ExemplarCNNForImageClassification
from tsugiki_vision.unsupervised.exemplar_training import (
    SurrogateClassifier,
    fit_probe,
    probe_features,
    surrogate_table,
    train_exemplar,
)

ARGUMENTS = {
    "surrogate_classes": 12,
    "views": 4,
    "patch_size": 8,
    "hidden_size": 16,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 16,
    "learning_rate": 0.02,
    "optim": "sgd",
    "seed": 0,
}


def gratings(rows: int, seed: int = 0) -> TensorTable:
    """Stripes that lie, stand or lean, in any colour and phase."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    y, x = np.mgrid[:12, :12]
    directions = np.stack([y, x, (x + y) / np.sqrt(2)])[labels]  # (N, 12, 12)
    waves = np.sin(directions * 1.8 + generator.uniform(0, 6, (rows, 1, 1)))
    pixels = 127 + 100 * waves[:, None] * generator.uniform(0.3, 1, (rows, 3, 1, 1))
    return TensorTable(
        {"pixel_values": torch.from_numpy(pixels.astype(np.uint8)), "labels": torch.from_numpy(labels)},
        transform=Normalize((0.5,), (0.25,)),
    )


def fresh() -> ExemplarCNNForImageClassification:
    torch.manual_seed(0)
    config = ExemplarCNNConfig(conv_channels=(6, 8), image_size=12, normalization="batch", num_labels=3)
    return ExemplarCNNForImageClassification(config).eval()


def train(folder, table=None, **options) -> ExemplarCNNForImageClassification:
    model = fresh()
    arguments = {**ARGUMENTS, **options}
    train_exemplar(model, TrainingJob(table or gratings(60), folder, arguments, progress=False))
    return model


def test_probe_tells_the_classes_apart(tmp_path):
    model, test = train(tmp_path), gratings(200, seed=7)
    batch = test.batch(range(200))
    with torch.inference_mode():
        accuracy = (model(batch["pixel_values"]).logits.argmax(1) == batch["labels"]).float().mean()
    assert accuracy > 0.8  # a third by chance


def test_network_learns_without_labels(tmp_path):
    table = gratings(60)
    other = TensorTable({**table.columns, "labels": table.labels.roll(1)}, transform=table.transform)
    first, second = train(tmp_path / "one", table), train(tmp_path / "two", other)
    for name, value in first.exemplar_cnn.state_dict().items():
        assert torch.equal(value, second.exemplar_cnn.state_dict()[name]), name
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


def test_first_phase_lowers_the_surrogate_loss_and_changes_the_network(tmp_path):
    model = fresh()
    before = {name: value.clone() for name, value in model.exemplar_cnn.named_parameters()}
    arguments = {**ARGUMENTS, "num_train_epochs": 15, "hidden_dropout": 0.0, "learning_rate": 0.1}
    result = train_exemplar(model, TrainingJob(gratings(60), tmp_path, arguments, progress=False))
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert result.steps == 15 * 3
    assert all(not torch.equal(value, before[name]) for name, value in model.exemplar_cnn.named_parameters())


def test_surrogate_head_shares_the_network_and_is_no_part_of_the_model(tmp_path):
    model = fresh()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    surrogate = SurrogateClassifier(model, classes=20, hidden_size=7, dropout=0.5)
    assert surrogate.exemplar_cnn is model.exemplar_cnn
    assert surrogate(torch.randn(2, 3, 12, 12)).logits.shape == (2, 20)
    for name, value in before.items():
        assert torch.equal(value, model.state_dict()[name])  # making the head drew no weights anew
    trained = train(tmp_path)
    assert trained.state_dict().keys() == before.keys()


def test_classifier_is_the_probe_on_the_features(tmp_path):
    model, table = fresh(), gratings(90)
    fit_probe(model, table, "svm", progress=False)
    features = probe_features(model, table, progress=False)
    batch = table.batch(range(90))
    with torch.inference_mode():
        assert torch.equal(features, model.exemplar_cnn(batch["pixel_values"]).pooler_output)
        torch.testing.assert_close(model.classifier(features), model(batch["pixel_values"]).logits)
    assert features.shape == (90, 4 * 8)


def test_seed_patches_come_from_different_pictures_and_are_labels_of_their_views():
    table = surrogate_table(gratings(30), 20, 5, 8, 12, seed=0)
    assert len(table) == 100
    assert torch.equal(table.labels, torch.arange(20).repeat_interleave(5))
    seeds = table.columns["pixel_values"][::5]
    assert len({picture.numpy().tobytes() for picture in seeds}) == 20
    batch = table.batch(range(10))
    assert set(batch) == {"pixel_values", "labels"}
    assert batch["pixel_values"].shape == (10, 3, 12, 12)
    assert not torch.equal(batch["pixel_values"][0], batch["pixel_values"][1])  # two views of one patch


def test_more_patches_than_pictures_take_each_several_times():
    table = surrogate_table(gratings(7), 20, 1, 8, 12, seed=0)
    pictures = [picture.numpy().tobytes() for picture in table.columns["pixel_values"]]
    counts = sorted(pictures.count(picture) for picture in set(pictures))
    assert counts == [2, 3, 3, 3, 3, 3, 3]


def test_same_seed_gives_the_same_model(tmp_path):
    first, again, other = (train(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


@pytest.mark.parametrize("killed_in", ["surrogates", "probe"])
def test_a_killed_run_goes_on_with_the_same_result(tmp_path, monkeypatch, killed_in):
    saving = {"save_strategy": "epoch", "save_total_limit": 1}
    expected = train(tmp_path / "whole", **saving)

    def kill(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        if killed_in == "probe":
            context.setattr(exemplar_training, "fit_head", kill)
        else:
            fit = exemplar_training.fit

            def fit_and_die(*args, **kwargs):
                from transformers import TrainerCallback

                class Kill(TrainerCallback):
                    def on_epoch_begin(self, args, state, control, **kwargs):
                        if state.epoch and state.epoch >= 1:
                            raise KeyboardInterrupt

                return fit(*args, **kwargs, callbacks=[Kill()])

            context.setattr(exemplar_training, "fit", fit_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "killed", **saving)
    resumed = train(tmp_path / "killed", **saving)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(value, resumed.state_dict()[name], msg=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"surrogate_classes": 1}, "surrogate_classes must be a whole number of at least 2"),
        ({"views": 0}, "views must be a whole number of at least 1"),
        ({"hidden_dropout": 1}, "hidden_dropout must be a number of at least 0 and below 1"),
        ({"probe": "knn"}, "probe must be one of svm, logistic"),
        ({"surrogate_class": 5}, "unknown training option 'surrogate_class'"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(tmp_path, **options)


def test_patches_larger_than_the_pictures_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="patch_size=13 is larger than the pictures"):
        train(tmp_path, patch_size=13)


def test_an_augmentation_of_the_recipe_is_refused(tmp_path):
    with pytest.raises(OptionError, match="leave augmentation out"):
        train(tmp_path, gratings(60).with_augmentation(Augmentation(flip=True)))
