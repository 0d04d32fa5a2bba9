"""``auto`` for a base: which bases are compared, on which rows, and what the report and the card say of it."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import tsugiki
from tsugiki import cli
from tsugiki.distributed_weights import DistributedFile, DistributedWeights
from tsugiki.errors import DataError, OptionError
from tsugiki.registry import Checkpoint, Registry, registry
from tsugiki.snapshots.listing import ModelInfo
from tsugiki.snapshots.made_for import MadeFor
from tsugiki.snapshots.provenance import Provenance
from tsugiki.transfer import base_choice as module
from tsugiki.transfer import features
from tsugiki.transfer.base_choice import choose_base
from tsugiki.transfer.cache import FeatureCache
from tsugiki.transfer.installed_bases import InstalledBase
from tsugiki.transfer.learning_rows import find_learning_rows
from tsugiki.transfer.options import read_options

from .. import transfer_data
from ..tiny_snapshots import write_provenance, write_snapshot

SHORT = {"augmentation": False, "progress": False}
AWAY = DistributedWeights(
    distribution="garden-weights",
    version="1.2",
    weights=DistributedFile("garden_weights/rose.pth", "0" * 64),
    license="cc0-1.0",
    extra="garden",
    format="torch",
    rename="anything:at_all",
)


@pytest.fixture
def bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four bases: a good one, one whose weights are all nought, a damaged one, and one that is not installed."""
    folders = {name: tmp_path / "pretrained" / name for name in ("good", "nought", "damaged", "away")}
    for name, folder in folders.items():
        write_snapshot(folder)
        if name == "nought":
            model = tsugiki.load(folder)
            for parameter in model.parameters():
                torch.nn.init.zeros_(parameter)
            model.save_pretrained(folder)
        write_provenance(folder, name=name, parameters=10)
    weights = folders["damaged"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    (folders["away"] / "model.safetensors").unlink()
    found = [
        Checkpoint(name, "toy", "tsugiki-toy", folder, AWAY if name == "away" else None)
        for name, folder in folders.items()
    ]
    monkeypatch.setattr(Registry, "checkpoints", lambda self: found)
    return folders


@pytest.fixture
def data():
    return datasets.DatasetDict(train=transfer_data.dataset(10), test=transfer_data.dataset(6, seed=1))


def test_the_best_base_is_taken_and_report_record_and_card_say_why(bases, data, tmp_path, capsys):
    out = tmp_path / "mine"
    result = tsugiki.finetune("auto", data, output_dir=out, depth="head", augmentation=False)
    shown = capsys.readouterr().err
    assert "comparing 3 of 3 bases on 40 of 40 training rows\n" in shown
    assert f"damaged is left out: {bases['damaged']}" in shown
    choice = result.report.base_choice
    assert (result.report.base, choice.base) == ("good", "good")
    assert [probe.base for probe in choice.probes] == ["good", "nought", "damaged", "away"]
    good, nought, damaged, away = choice.probes
    assert good.accuracy.n == nought.accuracy.n == 40
    assert good.accuracy.low > nought.accuracy.high
    assert damaged.skipped == "failed (SnapshotError)"
    assert "garden" in away.skipped
    assert choice.why.startswith("of 2 installed bases, a linear classifier on its frozen features tells the classes")
    assert f"Base good because {choice.why}" in shown
    assert f"Base good because {choice.why}" in str(result.report)
    provenance = Provenance.read(out)
    assert provenance.base_model == "good"
    assert provenance.transfer is not None
    assert provenance.transfer.base_choice == choice
    assert provenance.command.startswith("tsugiki.finetune('good', data")
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| `nought` |" in card
    assert "Not compared: `damaged` (failed (SnapshotError)), `away` (not installed: " in card
    assert str(tmp_path) not in card + (out / "provenance.json").read_text(encoding="utf-8")
    assert tsugiki.verify(out, data).ok


def test_only_rows_that_learn_are_looked_at(bases, monkeypatch):
    whole, options = transfer_data.dataset(10), read_options({**SHORT, "test": 0.3, "examples_per_class": 5})
    seen: list[int] = []
    original = module._probe
    monkeypatch.setattr(module, "_probe", lambda base, rows, *rest: (seen.extend(rows), original(base, rows, *rest)))
    choose_base(whole, options)
    found = find_learning_rows(whole, registry().task_class("image-classification")(), options)
    assert found.kept is not None
    assert set(seen) == set(found.rows.tolist())
    assert not set(seen) & set(found.kept.held.tolist())
    assert len(found.rows) == 20


def test_what_is_clearly_worse_is_left_after_few_rows(bases, data, monkeypatch):
    monkeypatch.setattr(module, "FIRST", 16)
    monkeypatch.setattr(module, "TIMES", 2)
    choice = choose_base(data, read_options(SHORT))
    assert [probe.accuracy.n for probe in choice.probes if probe.accuracy is not None] == [16, 16]  # one stays: no more


def contender(name: str, right: list[int], seconds: float) -> module._Contender:
    info = ModelInfo(name, "toy", None, None, 10, 0)
    base = InstalledBase(name, info, MadeFor("pictures"))
    return module._Contender(base, seconds=seconds, right=np.array(right * 8, bool))


def test_time_must_be_worth_its_while():
    slow, other = contender("slow", [1, 1, 1, 0], 50), contender("other", [1, 1, 1, 0], 30)
    near, quick = contender("near", [1, 0, 1, 1], 12), contender("quick", [0, 0, 0, 1], 1)
    assert module._going_on([slow, other, near, quick]) == [other, near]  # four times near's time for as much
    assert module._going_on([other, quick]) == [other]  # clearly better
    soon = contender("soon", [1, 1, 1, 0], 9)
    assert module._going_on([soon, contender("at once", [1, 0, 1, 1], 1)])[0] is soon  # seconds are not worth a choice


def test_nothing_is_probed_twice(bases, data, monkeypatch):
    computed: list[int] = []
    original = features._compute

    def count(model, table, *rest):
        computed.append(len(table))
        return original(model, table, *rest)

    monkeypatch.setattr(features, "_compute", count)
    FeatureCache.default().forget()
    first = choose_base(data, read_options(SHORT))
    assert computed == [40, 40]
    FeatureCache.default().forget()  # a new process finds them on disk
    second = choose_base(data, read_options(SHORT))
    assert computed == [40, 40]
    assert [(probe.base, probe.accuracy) for probe in second.probes] == [
        (probe.base, probe.accuracy) for probe in first.probes
    ]


def test_the_first_rows_hold_some_of_every_class_and_later_ones_follow():
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 4 + [3])
    found = type("Found", (), {"labels": labels, "rows": torch.arange(len(labels))})
    order, sizes = module._rounds(found, seed=0)
    assert sizes == [64, 256, 994]  # the class with one example is left out
    assert sorted(order) == list(range(994))
    first = np.bincount(labels.numpy()[order[:64]])
    assert first.min() >= 3
    assert 50 < first[0] < 58
    assert all(np.all(np.diff(part) > 0) for part in np.split(order, sizes[:-1]))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"task": "spot-finding"}, OptionError, "the task 'spot-finding' has none; name a base"),
        ({"task": "audio-classification"}, DataError, "no column of recordings"),
        ({"columns": {"image": "label"}}, DataError, "do not tell what is to be classified; name the task"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(options, error, match, bases, data):
    with pytest.raises(error, match=match):
        choose_base(data, read_options(options))


def test_without_an_installed_base_the_way_to_one_is_named(bases, data, monkeypatch):
    away = [checkpoint for checkpoint in registry().checkpoints() if checkpoint.name == "away"]
    monkeypatch.setattr(Registry, "checkpoints", lambda self: away)
    with pytest.raises(OptionError, match="no base for image-classification is installed; away is not installed: pip"):
        choose_base(data, read_options({}))
    monkeypatch.setattr(Registry, "checkpoints", lambda self: [])
    with pytest.raises(OptionError, match="no base for image-classification is installed; `tsugiki list`"):
        choose_base(data, read_options({}))


def test_the_command_takes_auto_and_tells_the_base(bases, data, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "data"
    for name, part in data.items():
        part.to_parquet(folder / f"{name}.parquet")
    words = ["auto", str(folder), "--output-dir", str(tmp_path / "out"), "--depth", "head", "--json"]
    assert cli.main(["finetune", *words]) == 0
    assert json.loads(capsys.readouterr().out)["base"] == "good"
