"""What provenance keeps of an evaluation."""

from __future__ import annotations

import numpy as np
from tsugiki.evaluation import task_named
from tsugiki.evaluation.records import evaluation_record, fast_rows
from tsugiki.predictions import Predictions
from tsugiki.snapshots.provenance import FastFigure

FACTS = {"dataset": "org/digits", "split": "test", "revision": None, "fingerprint": "0" * 16}


def answers(rows: int) -> Predictions:
    """Of two classes, every fourth wrong."""
    labels = np.zeros(rows, np.int64)
    wrong = np.arange(rows) % 4 == 0
    return Predictions(np.stack([~wrong, wrong], axis=1).astype(np.float32), labels)


def test_fast_rows_are_fixed_sorted_and_at_most_a_thousand():
    rows = fast_rows(10_000)
    assert len(rows) == 1000
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, fast_rows(10_000))
    assert not np.array_equal(rows, fast_rows(10_000, seed=1))
    assert np.array_equal(fast_rows(30), np.arange(30))


def test_figures_of_a_data_set_end_in_its_name():
    record = evaluation_record(task_named("image-classification"), answers(40), name="digits", **FACTS)
    assert record.metrics["accuracy_digits"].value == 0.75
    assert (record.rows, record.examples, record.name) == (40, None, "digits")
    assert record.fast == FastFigure(40, 0, correct=30)


def test_rows_of_which_a_task_makes_more_are_told_apart():
    record = evaluation_record(task_named("image-classification"), answers(40), rows=10, **FACTS)
    assert (record.rows, record.examples) == (10, 40)
