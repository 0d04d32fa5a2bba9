"""What a notebook shows of results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

from tsugiki.cards.verify import Check, Verification
from tsugiki.metrics import Metric, Metrics
from tsugiki.snapshots.listing import ModelInfo, ModelList
from tsugiki.transfer.finetune import FinetuneResult

EVIL = "<script>alert('x')</script>"
METRIC = Metric(0.5, 0.25, 0.75, 1000, "share")


def cells(result: Any) -> list[list[str]]:
    """The rows of the table in what a notebook shows, read by a parser that refuses what is not well formed."""
    shown = result._repr_html_()
    assert "<script" not in shown
    tree = ElementTree.fromstring(f"<div>{shown}</div>")
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]


def test_metrics_are_a_table_and_still_a_dictionary():
    metrics = Metrics({"accuracy": METRIC, EVIL: METRIC})
    assert metrics["accuracy"] is METRIC and metrics == {"accuracy": METRIC, EVIL: METRIC}
    assert cells(metrics)[:2] == [
        ["metric", "value", "95 % interval", "n"],
        ["accuracy", "0.5000", "0.2500 to 0.7500", "1,000"],
    ]
    assert cells(metrics)[2][0] == EVIL


def test_models_are_a_table_and_still_a_list():
    info = ModelInfo("rose", "garden", None, EVIL, 1234, 10, {"accuracy": METRIC.to_dict()}, None)
    models = ModelList([info])
    assert models == [info]
    assert cells(models)[1] == ["rose", EVIL, "1,234", "accuracy 0.5000", ""]


def test_a_fine_tuning_shows_its_figures_and_its_report():
    report: Any = SimpleNamespace(caveats=[])
    model: Any = None
    result = FinetuneResult(model, {"accuracy": METRIC}, "head", report, Path(f"/{EVIL}"), 1.0)
    assert cells(result)[1][0] == "accuracy"
    assert "&lt;script&gt;" in result._repr_html_()


def test_a_verification_shows_its_checks_and_problems():
    check = Check("mnist", "test", "accuracy", 0.5, 0.6, 0.01, False)
    found = Verification("rose", [check], [EVIL])
    assert cells(found)[1] == ["mnist", "test", "accuracy", "0.5000", "0.6000", "NOT OK"]
    assert "rose: NOT OK" in found._repr_html_()
