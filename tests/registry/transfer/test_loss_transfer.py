"""Fine-tuning by a network's own loss, on the toy's task whose labels differ in length by row."""

from __future__ import annotations

import json

import datasets
import pytest
import torch
import tsugiki
from safetensors.torch import load_file
from tsugiki import cli
from tsugiki.errors import DataError, OptionError
from tsugiki.snapshots.provenance import Provenance
from tsugiki.transfer.loss_depth import deepest_of_best, depths_to_try

from .. import transfer_data
from ..tiny_snapshots import write_spots

SHORT = {"max_steps": 6, "per_device_train_batch_size": 8, "progress": False}


@pytest.fixture
def base(tmp_path):
    return write_spots(tmp_path / "base")


def test_lists_of_labels_are_learnt_from_measured_and_verified(base, tmp_path, capsys):
    transfer_data.spots(40).save_to_disk(tmp_path / "data")
    result = tsugiki.finetune(base, tmp_path / "data", output_dir=tmp_path / "mine", compare_scratch=True, **SHORT)
    report, provenance = result.report, Provenance.read(result.path)
    assert report.record() == provenance.transfer
    assert report.rows == {"train": 32, "validation": 0, "test": 8}
    assert result.metrics["accuracy"].n == 8
    assert "held out at random" in report.measured_on
    assert [trial.depth for trial in report.choice.trials] == ["head", "all"]
    assert [tried["learning_rate"] for tried in report.tuned.tried][:3] == [3e-4, 1e-3, 3e-3]
    assert report.scratch.fit.steps == report.tuned.fit.steps == 6
    assert "its training goes on" in str(report)
    assert report.augmentation == {}  # a shift would leave the spots' places behind
    assert tsugiki.verify(result.path, tmp_path / "data").ok
    card = (result.path / "README.md").read_text()
    assert "Against training from scratch" in card
    assert "classes" not in card.partition("## Limits")[0]
    datasets.load_from_disk(str(tmp_path / "data"))[0]["image"].save(tmp_path / "one.png")
    capsys.readouterr()
    assert cli.main(["predict", str(result.path), str(tmp_path / "one.png"), "--top-k", "2", "--json"]) == 0
    assert capsys.readouterr().out.count('"score"') == 2


def test_depth_of_the_head_leaves_what_is_below(base, tmp_path):
    data = datasets.DatasetDict(train=transfer_data.spots(24), test=transfer_data.spots(8, seed=1))
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", learning_rate=1e-2, **SHORT)
    after, before = load_file(result.path / "model.safetensors"), load_file(base / "model.safetensors")
    moved = {name for name in before if not torch.equal(after[name], before[name])}
    assert moved == {"places.weight", "places.bias"}
    assert result.depth == "head"
    assert "measured on 8 rows of the split 'test'" in str(result.report)
    assert tsugiki.evaluate(result.path, data)["accuracy"] == result.metrics["accuracy"]


def test_what_is_of_classifiers_alone_is_refused(base, tmp_path):
    for option in ({"head": "svm"}, {"examples_per_class": 3}):
        with pytest.raises(OptionError, match="is for classifiers"):
            tsugiki.finetune(base, transfer_data.spots(8), output_dir=tmp_path / "mine", **option)
    assert not list(tmp_path.glob("mine*"))


def test_a_single_row_leaves_nothing_to_measure_on(base, tmp_path):
    with pytest.raises(DataError, match="name test data with test="):
        tsugiki.finetune(base, transfer_data.spots(1), output_dir=tmp_path / "mine", **SHORT)


def test_few_rows_are_trained_whole(base, tmp_path):
    data = datasets.DatasetDict(train=transfer_data.spots(6), test=transfer_data.spots(4, seed=1))
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **SHORT)
    assert result.depth == "all"
    assert "too few rows" in result.report.why
    assert json.loads((result.path / "provenance.json").read_text())["transfer"]["training"]["steps"] == 6


def test_depths_that_are_tried():
    assert depths_to_try(0) == [0]
    assert depths_to_try(1) == [0, 1]
    assert depths_to_try(3) == [0, 1, 2, 3]
    assert depths_to_try(12) == [0, 4, 8, 12]


def test_the_deepest_of_equals_is_taken():
    losses = [torch.tensor(values).double().numpy() for values in ([1.0, 2.0, 3.0], [1.1, 1.9, 3.0], [2.0, 3.0, 4.0])]
    assert deepest_of_best([-one for one in losses]) == 1
    assert deepest_of_best([-losses[2], -losses[0]]) == 1
    assert deepest_of_best([-losses[0], -losses[2]]) == 0
