"""Provenance: read strictly, written as it was read, nothing heavy imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tsugiki.errors import SnapshotError
from tsugiki.metrics import Metric
from tsugiki.snapshots.provenance import FastFigure, Provenance, SeedFigures, Weights

from ..card_snapshots import provenance_record


def test_what_is_read_is_typed():
    found = Provenance.from_dict(provenance_record(task="digits"))
    assert found.evaluations[0].metrics["accuracy"] == Metric(0.9923, 0.9905, 0.994, 10000, "share")
    assert found.evaluations[0].fast == FastFigure(1000, 0, correct=992)
    assert found.data.by_use() == {"training": found.data.train}
    assert found.main_figure == ("accuracy", found.metrics["accuracy"])
    assert (found.hub_task, found.requires, found.card) == ("digits", [], None)


def test_what_is_read_is_written_again():
    record = provenance_record()
    assert Provenance.from_dict(record).to_dict() == record
    assert list(Provenance.from_dict(record).to_dict()) == list(record)


def test_files(tmp_path):
    assert Provenance.find(tmp_path) is None
    with pytest.raises(SnapshotError, match=r"provenance\.json is missing"):
        Provenance.read(tmp_path)
    Provenance.from_dict(provenance_record("é")).write(tmp_path)
    assert Provenance.read(tmp_path).name == Provenance.find(tmp_path).name == "é"
    for text, message in (
        ("{", "not JSON"),
        ("[]", "a JSON object was expected"),
        ('{"format": 1}', "format must be 2"),
    ):
        (tmp_path / "provenance.json").write_text(text)
        with pytest.raises(SnapshotError, match=rf"provenance\.json: {message}"):
            Provenance.find(tmp_path)


def changed(path, value):
    record = json.loads(json.dumps(provenance_record()))
    *parents, last = path
    place = record
    for key in parents:
        place = place[key]
    place[last] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["colour"], "red", r"unknown field 'colour'"),
        (["evaluatoins"], [], r"unknown field 'evaluatoins'\. Did you mean 'evaluations'"),
        (["hardware"], None, r"the field 'hardware' is missing"),
        (["commit"], 7, r"commit must be text, not 7"),
        (["seed"], True, r"seed must be a whole number, not True"),
        (["seconds"], "long", r"seconds must be a number, not 'long'"),
        (["requires"], ["torch", 1], r"requires\[1\] must be text, not 1"),
        (["weights", "bytes"], 1.5, r"weights\.bytes must be a whole number, not 1\.5"),
        (["data", "train"], [], r"data\.train must be a mapping, not list"),
        (["data", "train", "licence"], "mit", r"data\.train: unknown field 'licence'\. Did you mean 'license'"),
        (
            ["evaluations", 0, "metrics", "accuracy", "kind"],
            "ratio",
            r"accuracy\.kind must be one of share, count, score",
        ),
        (["evaluations", 0, "metrics", "accuracy"], {"value": 1.0}, r"metrics\.accuracy: the field 'low' is missing"),
        (["evaluations", 0, "fast"], {"rows": 1, "seed": 0}, r"fast must have one of the fields correct and sum"),
        (["seeds", "accuracy", "values"], [0.5], r"seeds\.accuracy needs two values"),
        (["seeds", "f1"], {"values": [0.5, 0.5], "mean": 0.5, "sd": 0.0}, r"seeds\.f1 needs .* a figure of this name"),
        (["pictures", 0, "file"], None, r"pictures\[0\]: the field 'file' is missing"),
    ],
)
def test_wrong_fields_are_named_with_the_file(path, value, message):
    with pytest.raises(SnapshotError, match=rf"^here\.json: .*{message}"):
        Provenance.from_dict(changed(path, value), where="here.json")


def test_a_figure_of_several_data_sets_is_that_of_the_first():
    record = provenance_record()
    second = json.loads(json.dumps(record["evaluations"][0]))
    second["metrics"] = {
        "f1": second["metrics"]["accuracy"],
        "accuracy": {**second["metrics"]["accuracy"], "value": 0.1},
    }
    found = Provenance.from_dict({**record, "evaluations": [record["evaluations"][0], second]})
    assert list(found.metrics) == ["accuracy", "f1"]
    assert found.metrics["accuracy"].value == 0.9923


def test_weights_are_hashed(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    assert Weights.of(tmp_path) == Weights(
        "model.safetensors", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3
    )


def test_seeds_have_mean_and_sample_deviation():
    figures = SeedFigures.of([0.9, 0.92, 0.94])
    assert figures.mean == pytest.approx(0.92)
    assert figures.sd == pytest.approx(0.02)


def test_reading_imports_nothing_heavy():
    code = "import sys, tsugiki.snapshots.provenance as p; p.Provenance; "
    code += "print([name for name in ('numpy', 'torch', 'transformers', 'datasets') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
