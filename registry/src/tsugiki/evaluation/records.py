"""What provenance records of an evaluation: the figures, and those of the fixed subset of fast verification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import Metric
from ..snapshots.provenance import Evaluation, FastFigure
from ..task import CountedTask, Task

if TYPE_CHECKING:
    from ..predictions import Predictions

FAST_ROWS = 1000


def evaluation_record(
    measured_by: Task, predictions: Predictions, *, rows: int | None = None, seed: int = 0, **facts: Any
) -> Evaluation:
    """The figures of a data set.

    Args:
        measured_by: The task that measures.
        predictions: What a model said about what the task made of the rows.
        rows: Of the data set, where the task makes more or fewer of them, as windows of texts.
        seed: Of the fast subset.
        **facts: The other fields of `Evaluation`; a ``name`` is also what the metrics' names end in.
    """
    examples = len(predictions)
    return Evaluation(
        rows=examples if rows is None else rows,
        examples=None if rows in (None, examples) else examples,
        metrics=named_metrics(measured_by.metrics(predictions), facts.get("name")),
        fast=fast_figure(measured_by, predictions, fast_rows(examples, seed=seed), seed=seed),
        **facts,
    )


def named_metrics(metrics: Mapping[str, Metric], name: str | None) -> dict[str, Metric]:
    """Metrics whose names end in that of the data they were measured on, such as ``spearman_wordsim353``."""
    return {f"{key}_{name}" if name else key: metric for key, metric in metrics.items()}


def fast_rows(rows: int, *, seed: int = 0) -> np.ndarray:
    """The fixed seeded subset that fast verification measures: at most 1,000 row numbers, sorted."""
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(rows, min(rows, FAST_ROWS), replace=False))


def fast_figure(
    task: Task, predictions: Predictions, rows: np.ndarray | slice = slice(None), *, seed: int = 0
) -> FastFigure:
    """The count of right answers to some rows, or the sum of scores of a task whose rows are not right or wrong.

    Args:
        task: The task.
        predictions: What a model said.
        rows: Row numbers; by default all.
        seed: That they were drawn with.
    """
    if isinstance(task, CountedTask):
        right = task.correct(predictions)[rows]
        return FastFigure(len(right), seed, correct=int(right.sum()))
    scores = task.row_scores(predictions)[rows]
    return FastFigure(len(scores), seed, sum=float(scores.sum()))
