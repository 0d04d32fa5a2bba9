"""Small snapshots for the tests of cards: true files with invented figures, no network behind them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

PROSE = """\
A made-up network of {{ parameters }} parameters that answers {{ accuracy }} right.

## Intended use

Tests.

## Limits

It knows nothing.

## Data

Nothing that anybody drew.
"""
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)

TRANSFER = {
    "base": "lenet5-mnist",
    "stages": ["convolutions.0", "convolutions.1", "hidden_layers.0", "hidden_layers.1"],
    "depth": "2",
    "asked": "auto",
    "choice": {
        "depth": 2,
        "probes": [
            {"depth": 0, "stage": "head", "accuracy": 0.71},
            {"depth": 2, "stage": "convolutions.1", "accuracy": 0.83},
        ],
        "why": "the features of convolutions.1 tell the new classes apart best",
    },
    "examples_per_class": [10, 12],
    "rows": {"train": 110, "validation": 0, "test": 155},
    "measured_on": "155 rows of the split 'validation'",
    "head": {"kind": "logistic", "strength": 0.1, "tried": [], "scale": 1.0},
    "training": {"learning_rate": 0.001, "tried": [], "chosen_on": "rows held out", "steps": 300, "seconds": 3.2},
    "scratch": {
        "learning_rate": 0.003,
        "tried": [],
        "chosen_on": "rows held out",
        "steps": 300,
        "seconds": 3.0,
        "metrics": {"accuracy": {"value": 0.5, "low": 0.42, "high": 0.58, "n": 155, "kind": "share"}},
    },
    "estimate": {},
    "augmentation": {},
    "seconds": {"training": 3.2},
}


def provenance_record(name: str = "tiny-net", **changes: Any) -> dict[str, Any]:
    """Provenance as training writes it, as plain data."""
    data = {"id": "org/digits", "revision": None, "license": "mit", "source": "https://example.org"}
    record = {
        "format": 2,
        "name": name,
        "plugin": "toy",
        "family": "plain",
        "model_type": "tsugiki_plain",
        "task": "image-classification",
        "parameters": 61706,
        "license": "mit",
        "base_model": None,
        "command": f"tsugiki train hub_cards/{name}",
        "recipe": {"config": {}, "training": {"num_train_epochs": 3, "learning_rate": 0.01}, "augmentation": {}},
        "seed": 0,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "hardware": {"device": "cpu", "name": "Some CPU", "processes": 1, "threads": 2, "precision": "fp32"},
        "seconds": 123.4,
        "date": "2026-11-21",
        "weights": {"file": "model.safetensors", "sha256": "0" * 64, "bytes": 0},
        "data": {
            "train": {**data, "split": "train", "fingerprint": "ab12ab12ab12ab12", "rows": 60000},
            "validation": None,
        },
        "evaluations": [
            {
                "dataset": "org/digits",
                "split": "test",
                "revision": None,
                "fingerprint": "cd34cd34cd34cd34",
                "rows": 10000,
                "metrics": {"accuracy": {"value": 0.9923, "low": 0.9905, "high": 0.994, "n": 10000, "kind": "share"}},
                "fast": {"rows": 1000, "seed": 0, "correct": 992},
            }
        ],
        "seeds": {"accuracy": {"values": [0.9923, 0.9927, 0.9919], "mean": 0.9923, "sd": 0.0004}},
        "history": [{"epoch": 1.0, "loss": 0.25}, {"epoch": 2.0, "loss": 0.125}],
        "pictures": [{"file": "confusion_matrix.png", "caption": "Which digit was taken for which."}],
        "transfer": None,
    }
    return {**record, **changes}


def write_snapshot(folder: Path, record: dict[str, Any] | None = None) -> Path:
    """A snapshot folder without a card."""
    record = record or provenance_record(folder.name)
    folder.mkdir(parents=True)
    weights = b"not really weights" * 100
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text(json.dumps({"model_type": record["model_type"]}))
    (folder / "preprocessor_config.json").write_text("{}")
    for picture in record["pictures"]:
        (folder / picture["file"]).write_bytes(PICTURE)
    digest = hashlib.sha256(weights).hexdigest()
    record = {**record, "weights": {"file": "model.safetensors", "sha256": digest, "bytes": len(weights)}}
    (folder / "provenance.json").write_text(json.dumps(record, indent=2))
    return folder


def write_snapshot_with_card(folder: Path, record: dict[str, Any] | None = None, prose: str | None = PROSE) -> Path:
    """A snapshot folder with a complete card."""
    from tsugiki.cards.render import write_card

    write_snapshot(folder, record)
    write_card(folder, prose)
    return folder
