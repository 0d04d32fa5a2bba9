"""Provenance: the record of how a snapshot came about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tsugiki.cards.curves import draw_curves
from tsugiki.errors import SnapshotError
from tsugiki.snapshots.provenance import (
    commit,
    fast_rows,
    hardware,
    read_provenance,
    required_distributions,
    seeds_record,
    versions,
    weights_record,
    write_provenance,
)

REPO = Path(__file__).parents[3]


def test_fast_rows_are_fixed_sorted_and_at_most_a_thousand():
    rows = fast_rows(10_000)
    assert len(rows) == 1000
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, fast_rows(10_000))
    assert not np.array_equal(rows, fast_rows(10_000, seed=1))
    assert np.array_equal(fast_rows(30), np.arange(30))


def test_round_trip_and_damage(tmp_path):
    write_provenance(tmp_path, {"format": 2, "name": "é"})
    assert read_provenance(tmp_path)["name"] == "é"
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(SnapshotError, match="is not JSON"):
        read_provenance(tmp_path)
    (tmp_path / "provenance.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(SnapshotError, match="another version of tsugiki"):
        read_provenance(tmp_path)
    with pytest.raises(SnapshotError, match="cannot be read"):
        read_provenance(tmp_path / "nowhere")


def test_what_it_ran_on():
    record = hardware(device="cpu", processes=2, precision="fp32")
    assert (record["device"], record["processes"], record["precision"]) == ("cpu", 2, "fp32")
    assert record["threads"] >= 1 and record["name"]
    assert {"python", "torch", "transformers", "tsugiki-vision"} <= versions("tsugiki-vision", "no-such-dist").keys()
    assert commit("/") is None


def test_weights_are_hashed(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    record = weights_record(tmp_path)
    assert record["bytes"] == 3
    assert record["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_seeds_have_mean_and_sample_deviation():
    assert seeds_record({"accuracy": [0.5]}) is None
    record = seeds_record({"accuracy": [0.9, 0.92, 0.94]})
    assert record is not None
    assert record["accuracy"]["mean"] == pytest.approx(0.92)
    assert record["accuracy"]["sd"] == pytest.approx(0.02)


def test_curves_are_drawn_from_two_epochs_on(tmp_path):
    history = [{"epoch": 1.0, "loss": 2.0, "learning_rate": 0.1, "eval_loss": 2.1, "eval_accuracy": 0.3}]
    assert draw_curves(history, tmp_path, title="a") is None
    picture = draw_curves([*history, {**history[0], "epoch": 2.0, "loss": 1.0}], tmp_path, title="a")
    assert picture is not None
    assert (tmp_path / picture.file).read_bytes().startswith(b"\x89PNG")
    assert "2 epochs; it ends at 1.0000" in picture.caption


def test_parts_of_a_network_name_the_distributions_that_they_come_from():
    config = {"model_type": "tsugiki_made_of_parts", "encoder_config": {"model_type": "tsugiki_lenet"}, "size": 3}
    assert required_distributions(config, "tsugiki-another") == ["tsugiki-vision"]
    assert required_distributions({"deep": {"deeper": config}}, "tsugiki-another") == ["tsugiki-vision"]
    assert required_distributions(config, "tsugiki-vision") == []
    assert required_distributions({"encoder_config": {"model_type": "resnet"}}, "tsugiki-another") == []
    assert required_distributions({"model_type": "tsugiki_lenet", "encoder_config": None}, "tsugiki-another") == []
