"""What the two ways of fine-tuning share: how their steps are timed and announced, and what they leave."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..durations import Stopwatch
from ..evaluation.evaluate import predict_table
from ..predictions import Predictions
from ..task import Task
from ..training.processes import is_main_process
from .options import Options
from .report import Report
from .splits import Splits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SECONDS_WORTH_A_CHECKPOINT = 60  # of one training; a shorter one is repeated sooner than its checkpoints are written

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A fine-tuned model, how it came about, and what it says about the test rows."""

    model: PreTrainedModel
    report: Report
    predictions: Predictions


class Clock:
    """Wall time by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time the block."""
        stopwatch = Stopwatch(self.seconds.get(phase, 0.0))
        yield
        self.seconds[phase] = stopwatch.seconds


def measure(model: PreTrainedModel, splits: Splits, task: Task) -> Predictions:
    """What a model says about the test rows, in fp32 on the CPU."""
    return predict_table(model.float(), splits.test, device="cpu", task=task)


def say(options: Options, text: str) -> None:
    """Tell the log, and the person who waits."""
    logger.info(text)
    if options.progress and is_main_process():
        print(text, file=sys.stderr)
