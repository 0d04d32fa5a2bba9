"""The card of a fine-tuned model: its prose is written from the report of the fine-tuning."""

from __future__ import annotations

import copy

import pytest
from tsugiki.cards.transfer_prose import transfer_prose
from tsugiki.cards.validate import validate_card
from tsugiki.snapshots.provenance import Provenance

from ..card_snapshots import TRANSFER, provenance_record, write_snapshot_with_card


def transfer_record(**changes):
    record = provenance_record(
        "my-signs",
        base_model="lenet5-mnist",
        commit=None,
        license="unknown",
        seeds=None,
        recipe=None,
        transfer={**copy.deepcopy(TRANSFER), **changes},
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


@pytest.mark.parametrize(
    "word", ["todo", "TODO", "a-todo-color", "TBD", "[More Information Needed]", "{{ accuracy }}", "}}"]
)
def test_people_call_data_models_and_splits_as_they_like(tmp_path, word):
    record = transfer_record(measured_on=f"155 rows of the split '{word}'")
    record |= {"name": word, "base_model": word, "command": f"tsugiki finetune {word}"}
    record["data"]["train"]["id"] = f"/data/{word}"
    folder = write_snapshot_with_card(tmp_path / "mine", record, None)
    assert validate_card(folder) == []
    text = (folder / "README.md").read_text()
    assert f"# {word}\n" in text
    assert f"`{word}`, fine-tuned on `{word}`." in text
    assert f"the split '{word}'." in text


def test_what_was_not_done_is_not_told():
    untrained = {**TRANSFER["training"], "learning_rate": None, "steps": 0}
    changes = {"asked": "head", "depth": "head", "choice": None, "training": untrained, "scratch": None}
    provenance = Provenance.from_dict(transfer_record(**changes))
    prose = transfer_prose(provenance, provenance.transfer)
    assert "Depth `head`: only the new head was trained." in prose
    assert "Why: `head` was asked for." in prose
    for absent in ("scratch", "learning rate", "linear classifier", "None"):
        assert absent not in prose
