"""The card of a fine-tuned model: its prose is written from the report of the fine-tuning."""

from __future__ import annotations

import copy

from tsugiki.cards.transfer_prose import transfer_prose
from tsugiki.cards.validate import validate_card

from ..card_snapshots import provenance_record, write_snapshot_with_card

REPORT = {
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
        "metrics": {"accuracy": {"value": 0.5, "low": 0.42, "high": 0.58, "n": 155, "kind": "share"}},
    },
}


def transfer_record(report=REPORT, depth="2"):
    record = provenance_record(
        "my-signs",
        base_model="lenet5-mnist",
        commit=None,
        license="unknown",
        seeds=None,
        recipe=None,
        transfer={"base": "lenet5-mnist", "depth": depth, "report": copy.deepcopy(report)},
    )
    record["data"]["train"] |= {"id": "/home/somebody/signs", "license": None}
    return record


def test_card_tells_how_deep_and_why(tmp_path):
    folder = write_snapshot_with_card(tmp_path / "my-signs", transfer_record(), None)
    text = (folder / "README.md").read_text()
    for part in (
        "base_model: lenet5-mnist",
        "`lenet5-mnist`, fine-tuned on `signs`.",
        "Depth `2`: the head first, then with it the last 2 of 4 stages.",
        "Why: the features of convolutions.1 tell the new classes apart best.",
        "Head: logistic regression",
        "300 steps at learning rate 0.001, chosen on rows held out",
        "| `convolutions.1` | 83.00 % |",
        "110 rows, 10 to 12 a class",
        "measured on 155 rows of the split 'validation'.",
        "| fine-tuned | accuracy | 99.23 % |",
        "| from scratch | accuracy | 50.00 % | 42.00 to 58.00 % |",
        "`signs` states no licence",
        'tsugiki.pipeline("my-signs")',
        "Run it in the folder that holds this snapshot",
    ):
        assert part in text
    assert "/home/somebody" not in text
    assert validate_card(folder) == []


def test_what_the_report_does_not_tell_is_left_out():
    prose = transfer_prose(transfer_record({"asked": "head"}, "head"))
    assert "Depth `head`: only the new head was trained." in prose
    assert "Why: `head` was asked for." in prose
    assert "scratch" not in prose
    assert "None" not in prose
