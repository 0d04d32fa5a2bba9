"""What a plugin brings to a training: orders of rows, mosaics, codes over all processes, averaged weights, methods."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.utils.data import BatchSampler
from tsugiki.augmentation_kinds import read_augmentation
from tsugiki.errors import OptionError, PluginError, UnknownNameError
from tsugiki.recipes import train_recipe
from tsugiki.snapshots.provenance import Provenance
from tsugiki.tensor_table import TensorTable
from tsugiki.training.arguments import check_method
from tsugiki.training.class_rows import ClassRows
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.weight_average import WeightAverage
from tsugiki_toy.squares import Mosaic

from .. import hooks_script, stripes_recipe
from ..stripes_recipe import write_recipe
from ..training_script import network, stripes


@pytest.fixture(scope="module")
def made_by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    hooks_script.train(folder)
    return folder


@pytest.mark.two_processes(job=hooks_script.train)
def test_two_processes_learn_what_one_learns(made_by_one, made_by_two):
    one, two = (json.loads((folder / "result.json").read_text()) for folder in (made_by_one, made_by_two))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["losses"] == pytest.approx(one["losses"], rel=2e-3)
    weights = [load_file(folder / "weights.safetensors") for folder in (made_by_one, made_by_two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.killed(job=hooks_script.train_and_be_killed)
def test_a_kill_equals_none(made_by_one, left_by_killed, tmp_path):
    folder = shutil.copytree(left_by_killed, tmp_path / "run")
    assert not (folder / "result.json").exists()
    hooks_script.train(folder)
    assert (folder / "weights.safetensors").read_bytes() == (made_by_one / "weights.safetensors").read_bytes()


def identities(*counts: int) -> TensorTable:
    labels = torch.cat([torch.full((count,), number) for number, count in enumerate(counts)])
    return TensorTable({"pixel_values": torch.zeros(len(labels), 1), "labels": labels})


def test_batches_hold_people_times_pictures():
    table = identities(7, 5, 1, 9, 4)
    rows = ClassRows(table, 12, per_class=4, seed=5)
    batches = list(BatchSampler(rows, 12, drop_last=False))
    assert len(batches) == len(table) // 12
    for batch in batches:
        counts = torch.bincount(table.labels[batch])
        assert sorted(counts[counts > 0].tolist()) == [4, 4, 4]
    assert list(rows) == list(ClassRows(table, 12, per_class=4, seed=5))
    before = list(rows)
    table.epoch = 1
    assert list(rows) != before


def test_all_classes_have_their_turn_before_one_comes_again():
    table = identities(*[20] * 6)
    batches = list(BatchSampler(ClassRows(table, 8, per_class=4, seed=0), 8, drop_last=False))
    for first in range(0, len(batches) - 2, 3):
        assert table.labels[[*batches[first], *batches[first + 1], *batches[first + 2]]].unique().tolist() == [
            0,
            1,
            2,
            3,
            4,
            5,
        ]


@pytest.mark.parametrize(
    ("size", "per_class", "message"),
    [(10, 4, "rows_per_class = 4 does not divide the batch of 10 rows"), (16, 2, "needs 8 classes, not 3")],
)
def test_orders_that_cannot_be_are_refused(size, per_class, message):
    with pytest.raises(OptionError, match=message):
        ClassRows(identities(4, 4, 4), size, per_class=per_class, seed=0)


def test_mosaics_move_boxes_with_their_pictures():
    pixels = torch.zeros(6, 1, 8, 8)
    boxes = torch.zeros(6, 1, 4)
    for row in range(6):
        left, top = row % 3 * 2, row // 3 * 4
        pixels[row, 0, top : top + 2, left : left + 2] = row + 1
        boxes[row, 0] = torch.tensor([left, top, left + 2, top + 2])
    table = TensorTable({"pixel_values": pixels, "boxes": boxes}).with_augmentation(Mosaic(flip=True), seed=2)
    batch = table.batch(range(6))
    for row in range(6):
        assert (batch["pixel_values"][row] > 0).sum() == 4
        for left, top, right, bottom in batch["boxes"][row].long().tolist():
            assert batch["pixel_values"][row, 0, top:bottom, left:right].gt(0).all()
    alone = table.batch([4])
    assert torch.equal(alone["pixel_values"][0], batch["pixel_values"][4])
    assert torch.equal(alone["boxes"][0], batch["boxes"][4])


def test_a_recipe_names_a_plugins_augmentation():
    assert read_augmentation({"kind": "mosaic", "whole": 0.25}) == Mosaic(whole=0.25)
    assert read_augmentation({"kind": "toy:mosaic"}) == Mosaic()
    assert Mosaic(flip=True).to_dict() == {"kind": "mosaic", "flip": True}
    with pytest.raises(OptionError, match=r"augmentation: unknown augmentation 'mosiac'\. Did you mean 'mosaic'\?"):
        read_augmentation({"kind": "mosiac"})
    with pytest.raises(OptionError, match=r"unknown field 'flp'\. Did you mean 'flip'\?"):
        read_augmentation({"kind": "mosaic", "flp": True})


def test_the_average_follows_its_formula():
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, 0.3)
    expected = None
    for step, weight in enumerate([2.0, 5.0, -1.0, 4.0]):
        torch.nn.init.constant_(model.weight, weight)
        average.update(model)
        kept = min(0.3, (1 + step) / (10 + step))
        expected = weight if expected is None else kept * expected + (1 - kept) * weight
    with average.taken(model):
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 4.0


def test_what_is_validated_and_kept_is_the_average(tmp_path):
    table = stripes()
    job = {"num_train_epochs": 2, "per_device_train_batch_size": 16, "learning_rate": 0.02, "ema_decay": 0.95}
    results, models = [], []
    for decay in (None, 0.95):
        model = network("plain")
        arguments = {**job, "ema_decay": decay}
        result = fit(model, TrainingJob(table, tmp_path / str(decay), arguments, validation=table, progress=False))
        with torch.no_grad():
            loss = float(model(**next(table.batches(len(table)))).loss)
        assert result.history[-1]["eval_loss"] == pytest.approx(loss, rel=1e-4)
        results.append(result)
        models.append(model)
    assert results[0].history[-1]["loss"] == results[1].history[-1]["loss"]  # the steps themselves are the same
    assert not torch.equal(next(models[0].parameters()), next(models[1].parameters()))


@pytest.fixture
def recipe_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    folder = write_recipe(tmp_path)

    def change(**changes):
        file = folder / "recipe.yaml"
        recipe = yaml.safe_load(file.read_text())
        recipe["training"] |= changes.pop("training", {})
        file.write_text(yaml.safe_dump({**recipe, "seeds": [0], **changes}))
        return folder

    return change


def test_a_method_takes_the_place_of_fit(recipe_folder, tmp_path):
    folder = recipe_folder(method="toy:distil", augmentation={"kind": "mosaic", "whole": 0.9}, training={"share": 0.7})
    output = train_recipe.train(folder, output_dir=tmp_path / "out", progress=False)
    provenance = Provenance.read(output)
    assert provenance.recipe.method == "toy:distil"
    assert provenance.recipe.augmentation == {"kind": "mosaic", "whole": 0.9}
    assert max(entry["epoch"] for entry in provenance.history) == 8  # of the teacher and of the student


@pytest.fixture(scope="module")
def distilled_by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled")
    stripes_recipe.distil(folder)
    return folder


@pytest.mark.two_processes(job=stripes_recipe.distil)
def test_two_processes_learn_by_a_method_what_one_learns(distilled_by_one, made_by_two):
    one, two = (Provenance.read(folder / "out") for folder in (distilled_by_one, made_by_two))
    assert (one.hardware.processes, two.hardware.processes) == (1, 2)
    losses = [[entry["loss"] for entry in made.history if "loss" in entry] for made in (one, two)]
    assert len(losses[0]) == 4 and losses[1] == pytest.approx(losses[0], rel=2e-3)  # of the teacher and of the student
    weights = [load_file(folder / "out" / "model.safetensors") for folder in (distilled_by_one, made_by_two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.killed(job=stripes_recipe.distil_and_be_killed)
def test_a_method_that_is_killed_in_its_second_phase_continues_bit_equal(distilled_by_one, left_by_killed, tmp_path):
    folder = shutil.copytree(left_by_killed, tmp_path / "run")
    assert not (folder / "out").exists() and (folder / "out.partial").exists()
    stripes_recipe.distil(folder)
    weights = [(made / "out" / "model.safetensors").read_bytes() for made in (distilled_by_one, folder)]
    assert weights[0] == weights[1]
    first, second = (Provenance.read(made / "out").history for made in (distilled_by_one, folder))
    assert [entry.get("loss") for entry in first] == [entry.get("loss") for entry in second]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"method": "distill"}, UnknownNameError, r"unknown method 'distill'\. Did you mean 'distil'\?"),
        ({"method": "distil", "training": {"share": -1}}, OptionError, "share must be a number of at least 0, not -1"),
        (
            {"method": "distil", "training": {"temperature": 2}},
            OptionError,
            r"method 'distil': unknown training option 'temperature'.*Its own options: share",
        ),
    ],
)
def test_a_method_is_checked_before_data_is_read(recipe_folder, tmp_path, monkeypatch, changes, error, message):
    folder = recipe_folder(**changes)
    monkeypatch.delenv("TSUGIKI_DATASETS")
    with pytest.raises(error, match=message):
        train_recipe.train(folder, output_dir=tmp_path / "out", progress=False)


def test_a_method_says_which_options_it_takes():
    with pytest.raises(
        PluginError, match=r"method 'x': tsugiki\.training\.fit:fit declares no options by method_options"
    ):
        check_method(fit, {}, called="method 'x'")
