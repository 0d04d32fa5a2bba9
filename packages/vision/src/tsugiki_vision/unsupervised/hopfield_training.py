"""Training of a Hopfield network: one look at the patterns, by Hebb's rule or by projection."""

from __future__ import annotations

from typing import Any

import torch
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import main_figure
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions

from .hopfield import HopfieldForPatternRecall


def train_hebb(model: HopfieldForPatternRecall, job: TrainingJob) -> FitResult:
    """Store patterns, by the rule that the model's config names. It is done at once; there are no options.

    Args:
        model: The network.
        job: It has one row for each label, as `PatternRecall.table` makes them.

    Raises:
        DataError: A label has several rows, or none.
        OptionError: There is an option.
    """
    job.read_options(TrainerOptions)
    stopwatch = Stopwatch()
    numbers = job.train.columns["pattern"].cpu()
    counts = torch.bincount(numbers, minlength=len(model.patterns))
    if (counts != 1).any():
        names: dict[Any, str] = model.config.id2label or {}
        wrong = int((counts != 1).nonzero()[0])
        raise DataError(
            f"a network for pattern recall stores one picture for each label, and {names.get(wrong, wrong)!r} has "
            f"{int(counts[wrong])}; leave one row for each"
        )
    model.store(job.train.labels[numbers.argsort().to(job.train.device)].to(model.patterns))
    model.eval()
    best = main_figure(model, job.validation, job.task)
    return FitResult(stopwatch.seconds, device=str(model.device), best_metric=best)
