"""What speaks against a figure, in sentences that stand before it: too few rows, guessing, training from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..fingerprint import content_fingerprint
from ..metrics import Metric
from ..predictions import Predictions
from ..snapshots.provenance import Provenance
from ..task import Task

if TYPE_CHECKING:
    from datasets import Dataset

WIDEST = 0.2  # of a share's interval: ten points either way
WIDEST_PART = 0.5  # of any other figure's interval, as a part of the figure
FEWEST_ROWS = 30  # of a bootstrap; with fewer its intervals are too narrow


def too_few_rows(metrics: Mapping[str, Metric]) -> list[str]:
    """One sentence where the first figure has too few rows to tell, else none.

    They are too few where the interval of a share is wider than 0.2, or where any other figure is of fewer than 30
    things or has an interval wider than half of it.
    """
    for name, metric in list(metrics.items())[:1]:
        width = metric.high - metric.low
        if metric.kind == "share":
            few = width > WIDEST
        else:
            few = metric.n < FEWEST_ROWS or width > WIDEST_PART * abs(metric.value)
        if few:
            return [f"Too few rows to tell: {name} {metric} of {metric.n:,}."]
    return []


def learned_rows(provenance: Provenance | None, dataset: Dataset) -> list[str]:
    """One sentence where a model was trained on just these rows, else none.

    Args:
        provenance: Of the model; None where it has none.
        dataset: The rows that it is measured on.
    """
    for use, record in ({} if provenance is None or provenance.data is None else provenance.data.by_use()).items():
        if record.rows == len(dataset) and record.fingerprint == content_fingerprint(dataset):
            how = "learned from these rows, or most of them" if use == "training" else "was chosen by these rows"
            return [f"The model {how}: the figures say nothing of new ones; those of its card do."]
    return []


def caveats(
    task: Task, predictions: Predictions, metrics: Mapping[str, Metric], scratch: Mapping[str, Metric] | None = None
) -> list[str]:
    """What speaks against the figures of a fine-tuning, one sentence each.

    Args:
        task: That measured it.
        predictions: What the model said about the rows it was measured on.
        metrics: The figures.
        scratch: Those of the same network from fresh weights, if it was trained.
    """
    found = too_few_rows(metrics)
    name = task.main_metric
    if (own := metrics.get(name)) is None:
        return found
    if (guess := task.guess(predictions)) is not None and own.low <= guess:
        how = "No better" if own.value <= guess else "Not surely better"
        found.append(
            f"{how} than guessing: whoever always names the commonest class has {name} {guess:.4f} here, the model "
            f"{own}."
        )
    if scratch is not None and (fresh := scratch.get(name)) is not None:
        loses = own.value < fresh.value if task.greater_is_better else own.value > fresh.value
        if loses:
            overlap = own.low <= fresh.high and fresh.low <= own.high
            chance = "; the intervals overlap, so that it may be chance" if overlap else ""
            found.append(f"Worse than the same network from scratch: {name} {own} against {fresh}{chance}.")
    return found
