"""Training of a Hopfield network: one look at the patterns, by Hebb's rule or by projection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import FitResult
from tsugiki.training.gradient_free import closed_form_result, read_options

from .hopfield import HopfieldForPatternRecall


def train_hebb(
    model: HopfieldForPatternRecall,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Store patterns, by the rule that the model's config names.

    Args:
        model: The network.
        train: One row for each label, as `PatternRecall.table` makes them.
        output_dir: Unused: it is done at once, and nothing is left to continue.
        arguments: A seed; there are no options.
        validation: Rows to measure on.
        task: Scores them.
        progress: Unused.
        title: Unused.

    Raises:
        DataError: A label has several rows, or none.
        OptionError: There is an option.
    """
    read_options(arguments, {})
    started = time.perf_counter()
    numbers = train.columns["pattern"].cpu()
    counts = torch.bincount(numbers, minlength=len(model.patterns))
    if (counts != 1).any():
        names: dict[Any, str] = model.config.id2label or {}
        wrong = int((counts != 1).nonzero()[0])
        raise DataError(
            f"a network for pattern recall stores one picture for each label, and {names.get(wrong, wrong)!r} has "
            f"{int(counts[wrong])}; leave one row for each"
        )
    model.store(train.labels[numbers.argsort().to(train.device)].to(model.patterns))
    model.eval()
    best = None
    if validation is not None and task is not None:
        best = task.metrics(predict_table(model, validation, task=task))[task.main_metric].value
    return closed_form_result(time.perf_counter() - started, device=str(model.device), best_metric=best)
