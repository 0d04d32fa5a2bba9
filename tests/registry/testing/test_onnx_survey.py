"""Measuring what exports to ONNX, on the toy."""

from __future__ import annotations

import json

import pytest
from tsugiki import cli
from tsugiki.errors import PluginError
from tsugiki.recipes.onnx_page import read_record
from tsugiki.registry import registry
from tsugiki.testing.onnx_survey import survey


@pytest.fixture
def declared(monkeypatch):
    """The toy, reduced to two families, one of which declares that it does not export."""
    families = [one for one in registry().families() if one.name in ("words", "tones")]
    monkeypatch.setattr(type(registry()), "families", lambda self: families)
    monkeypatch.setitem(families[0].declaration.__dict__, "onnx", "its tones fade")
    return families


def test_the_command_prints_and_writes_a_row_for_each(declared, tmp_path, capsys):
    code = cli.main(["onnx-table", "toy", "--write", str(tmp_path / "onnx.json"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    rows = read_record(tmp_path / "onnx.json")
    assert (code, [row["model"] for row in printed]) == (0, [family.name for family in declared])
    refused, exported = rows
    assert (refused.status, refused.reason) == ("refused", "its tones fade")
    assert (exported.status, exported.max_difference < 1e-5, exported.batches >= 3) == ("exported", True, True)


def test_an_unknown_plugin_is_named():
    with pytest.raises(PluginError, match="no plugin 'tyo' is installed"):
        next(survey("tyo"))
