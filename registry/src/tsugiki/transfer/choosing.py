"""What a fine-tuning chooses on: rows held out of those it learns from, and how trained candidates are compared there.

Classifiers are compared by right answers, or by the loss of each row where there are few. All other networks are
compared by their loss, for a row's real answer may take a search.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.groups import can_hold_out_groups
from ..data.splitting import Rows, class_counts, hold_out, hold_out_at_random
from ..eval_mode import eval_mode
from ..evaluation.evaluate import predict_table
from ..predictions import Predictions
from ..task import Task
from ..tasks.classification import Classification
from ..tensor_table import TensorTable

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEWEST_TO_SEARCH = 4  # examples a class; with fewer there is nothing to choose on
FEWEST_ROWS_TO_SEARCH = 16  # of a network without classes
SURE_ROWS = 200  # validation rows from which the metric decides; below, the loss, which is less coarse
BATCHES, MOST_IN_BATCH = 8, 32  # of a validation by loss: so many batches at least, of so many rows at most
ASTRAY = 1e6  # loss of a batch that has none, because the training went astray

Scores = NDArray[np.float64]  # of rows or of batches, more is better


class Choice(ABC):
    """How candidates are compared on rows that they did not learn from."""

    @abstractmethod
    def can_hold_out(self, table: TensorTable) -> bool:
        """Whether there are enough rows to hold some out."""

    @abstractmethod
    def hold_out(self, table: TensorTable, fraction: float) -> tuple[Rows, Rows]:
        """Row numbers that stay, and those held out."""

    @abstractmethod
    def judge(
        self, models: Sequence[PreTrainedModel], table: TensorTable
    ) -> tuple[list[dict[str, float]], list[Scores]]:
        """Figures to show of each model, ``loss`` among them, and the scores by which they are compared, paired."""


@dataclass(frozen=True)
class ByAnswers(Choice):
    """Compares classifiers by right answers, or by the loss of each row where there are few.

    Attributes:
        task: The task.
        num_labels: Number of classes.
        seed: Of what is held out.
    """

    task: Classification
    num_labels: int
    seed: int

    def can_hold_out(self, table: TensorTable) -> bool:
        """Whether every class has a few rows."""
        enough = int(class_counts(table.labels, self.num_labels).min()) >= FEWEST_TO_SEARCH
        return enough and (table.groups is None or can_hold_out_groups(table.labels, table.groups))

    def hold_out(self, table: TensorTable, fraction: float) -> tuple[Rows, Rows]:
        """By class."""
        return hold_out(table.labels, fraction, seed=self.seed, groups=table.groups)

    def judge(
        self, models: Sequence[PreTrainedModel], table: TensorTable
    ) -> tuple[list[dict[str, float]], list[Scores]]:
        """The mean cross entropy and the task's main metric."""
        predictions = [predict_table(model, table) for model in models]
        many = len(predictions[0].labels) >= SURE_ROWS
        figures = [
            {
                "loss": float(_losses(predicted).mean()),
                self.task.main_metric: self.task.metrics(predicted)[self.task.main_metric].value,
            }
            for predicted in predictions
        ]
        scores = [
            self.task.correct(predicted).astype(np.float64) if many else -_losses(predicted)
            for predicted in predictions
        ]  # (N,) each
        return figures, scores


@dataclass(frozen=True)
class ByLoss(Choice):
    """Compares networks by the loss that they are trained on, of batches of rows.

    Attributes:
        task: The task.
        seed: Of what is held out, and of what a network draws for itself.
    """

    task: Task
    seed: int

    def can_hold_out(self, table: TensorTable) -> bool:
        """Whether there are a few rows."""
        enough = len(table) >= FEWEST_ROWS_TO_SEARCH
        return enough and (table.groups is None or can_hold_out_groups(None, table.groups))

    def hold_out(self, table: TensorTable, fraction: float) -> tuple[Rows, Rows]:
        """At random."""
        return hold_out_at_random(len(table), fraction, seed=self.seed, groups=table.groups)

    def judge(
        self, models: Sequence[PreTrainedModel], table: TensorTable
    ) -> tuple[list[dict[str, float]], list[Scores]]:
        """The mean loss."""
        losses = [batch_losses(model, self.task.learning_rows(model, table), seed=self.seed) for model in models]
        return [{"loss": float(one.mean())} for one in losses], [-one for one in losses]


@torch.inference_mode()
def batch_losses(model: PreTrainedModel, table: TensorTable, *, seed: int = 0) -> NDArray[np.float64]:
    """The loss of each batch of a table (M,), in eval mode; what a network draws for itself is drawn from the seed."""
    size = max(1, min(MOST_IN_BATCH, len(table) // BATCHES))
    with eval_mode(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        losses = [float(model(**batch).loss) for batch in table.batches(size, device=model.device)]
    return np.nan_to_num(np.array(losses), nan=ASTRAY, posinf=ASTRAY)


def best_of(scores: Sequence[Scores]) -> int:
    """The best candidate; the middle one unless another is better by more than the standard error of the difference."""
    middle = len(scores) // 2
    best = max(range(len(scores)), key=lambda number: float(scores[number].mean()))
    return best if is_surely_better(scores[best], scores[middle]) else middle


def is_surely_better(scores: Scores, than: Scores) -> bool:
    """Whether a candidate is better than another by more than the standard error of the difference."""
    gain = scores - than
    return bool(gain.mean() > gain.std() / math.sqrt(len(gain)))


def _losses(predictions: Predictions) -> NDArray[np.float64]:
    """Cross entropy of every row (N,); that of a guess where training went astray."""
    logits = predictions.outputs.astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), predictions.labels]
    return np.nan_to_num(losses, nan=math.log(logits.shape[1]), posinf=math.log(logits.shape[1]))
