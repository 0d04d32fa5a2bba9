"""What speaks against a figure is said where it does, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from tsugiki.evaluation import task_named
from tsugiki.evaluation.caveats import caveats, too_few_rows
from tsugiki.metrics import Metric, counted_share
from tsugiki.predictions import Predictions


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
