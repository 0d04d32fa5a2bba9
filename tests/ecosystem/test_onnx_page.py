"""The record of what exports to ONNX has every model that is installed, as its family declares it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tsugiki.export.export_onnx import OPSET
from tsugiki.recipes.onnx_page import RECORD, read_record
from tsugiki.registry import registry
from tsugiki.testing.forward_checks import TOLERANCE

ROWS = read_record(Path(__file__).parents[2] / RECORD)
MEASURE = f"measure it: tsugiki onnx-table --write {RECORD} --overwrite, then tsugiki card --write"


def test_every_family_and_checkpoint_is_in_it():
    families = {(one.plugin_name, one.name, task) for one in registry().families() for task in one.declaration.tasks}
    checkpoints = {(one.plugin_name, one.name) for one in registry().checkpoints()}
    recorded = {(row.plugin, row.model, row.task) for row in ROWS}
    found = (
        {row for row in recorded if row[:2] not in checkpoints},
        {row[:2] for row in recorded if row not in families},
    )
    assert found == (families, checkpoints), MEASURE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.model} {row.task}")
def test_what_it_says_is_what_the_family_declares(row):
    family = next((one for one in registry().families() if one.name == row.model), None)
    declared = True if family is None else family.declaration.onnx
    if declared is not True:
        assert (row.status, row.reason) == ("refused", declared), MEASURE
    elif row.status == "exported":
        assert row.opset == OPSET
        assert row.batches >= 3
        assert row.max_difference <= TOLERANCE
    else:
        assert row.status == "refused"
        assert row.reason
