"""What speaks against a figure is said where it does, and only there."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import tsugiki
from tsugiki.evaluation import task_named
from tsugiki.evaluation.caveats import caveats, learned_rows, too_few_rows
from tsugiki.fingerprint import content_fingerprint
from tsugiki.metrics import Metric, counted_share
from tsugiki.predictions import Predictions
from tsugiki.snapshots.provenance import Provenance

from .. import transfer_data
from ..card_snapshots import provenance_record
from ..tiny_snapshots import write_snapshot


@pytest.mark.parametrize(
    ("metric", "few"),
    [
        (counted_share(2, 2), True),
        (counted_share(10, 10), True),
        (counted_share(24, 24), False),
        (counted_share(45, 90), True),
        (counted_share(50, 100), False),
        (Metric(20.0, 19.0, 21.0, 29, "score"), True),
        (Metric(20.0, 19.0, 21.0, 30, "score"), False),
        (Metric(20.0, 14.0, 25.0, 500, "score"), True),
    ],
)
def test_rows_are_too_few_where_the_interval_tells_nothing(metric, few):
    said = too_few_rows({"figure": metric, "other": counted_share(1, 1)})
    assert said == ([f"Too few rows to tell: figure {metric} of {metric.n}."] if few else [])


def answers(right: int, of: int, common: int) -> Predictions:
    """Of two classes, with so many rows of the commoner one, of which the first are answered right."""
    labels = np.arange(of) >= common
    said = np.where(np.arange(of) < right, labels, ~labels)
    return Predictions(np.eye(2)[said.astype(int)], labels.astype(np.int64))


def said_of(right: int, common: int = 120, scratch: int | None = None) -> str:
    task = task_named("image-classification")
    predictions = answers(right, 200, common)
    fresh = None if scratch is None else task.metrics(answers(scratch, 200, common))
    return " ".join(caveats(task, predictions, task.metrics(predictions), fresh))


def test_guessing_is_the_commonest_class():
    assert said_of(150) == ""
    assert said_of(125).startswith("Not surely better than guessing: whoever always names the commonest class has")
    assert "accuracy 0.6000 here, the model 0.6250" in said_of(125)
    assert said_of(120).startswith("No better than guessing")


def test_losing_to_scratch_is_said_with_whether_it_may_be_chance():
    assert said_of(180, scratch=170) == ""
    assert said_of(170, scratch=175).endswith("the intervals overlap, so that it may be chance.")
    far = said_of(150, scratch=190)
    assert far.startswith("Worse than the same network from scratch: accuracy 0.7500 [")
    assert "chance" not in far


def test_rows_that_a_model_learned_from_tell_nothing_of_new_ones(tmp_path):
    rows = datasets.Dataset.from_dict({"image": [3, 1, 2], "label": [0, 1, 0]})
    record = provenance_record()
    for use, part in (("train", rows), ("validation", rows.select([2, 0, 1]))):
        given = {"id": "photos", "split": use, "revision": None, "license": None}
        record["data"][use] = {**given, "fingerprint": content_fingerprint(part), "rows": 3}
    known = Provenance.from_dict(record)
    assert "learned from these rows" in learned_rows(known, rows)[0]
    assert "was chosen by these rows" in learned_rows(known, rows.select([2, 0, 1]))[0]
    assert learned_rows(known, rows.select([0, 1])) == learned_rows(known, rows.select([1, 0, 2])) == []
    assert learned_rows(None, rows) == []


def test_evaluate_says_that_a_model_learned_from_the_rows(tmp_path):
    base, data = write_snapshot(tmp_path / "base"), transfer_data.dataset(12)
    tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", progress=False)
    found = tsugiki.evaluate(tmp_path / "mine", data)
    assert found.caveats and "learned from these rows" in found._repr_html_()
    assert tsugiki.evaluate(tmp_path / "mine", transfer_data.dataset(12, seed=1)).caveats == []
