"""What a task knows: data and metrics, never architectures.

A task finds the columns it needs, turns rows into a `TensorTable`, scores predictions and shows a result as a
picture. Fine-tuning, evaluation, cards and conformance are written once against this class.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .adaptation import Adaptation
from .answers import Answers, answered
from .columns import TEXT_COLUMN, TEXT_COLUMNS, Role, check_roles, check_rows, find_column, find_columns, read_column
from .errors import OptionError
from .inputs import InputKind
from .metrics import Metric
from .picture import Picture
from .predictions import Predictions
from .tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_SIZE = 64  # inputs that `predict` answers at once
ALL_ANSWERS = sys.maxsize  # as many as there are

__all__ = ["CountedTask", "Metric", "Picture", "Task"]


class Task(ABC):
    """A kind of question asked of a model, such as image classification.

    Attributes:
        name: The task's name; also its key in ``Family.models`` and the card's pipeline tag.
        main_metric: The metric that early stopping and depth choice look at.
        greater_is_better: Whether more of it is better.
        inputs: What `predict` takes, and how `tsugiki predict` finds it; see `tsugiki.inputs`.
        roles: What each column of the data holds, by the part that it plays.
        pipeline_class: The pipeline of a task that transformers has none for: a subclass of its ``Pipeline``, or a
            reference of one (``"package.module:Class"``).
        pipeline_key: Key of `tsugiki.snapshots.auto_classes.AUTO_CLASSES` whose Auto class loads the models of that
            pipeline, where it is not the task's name.
        refined_pipeline_class: Reference of a subclass of the pipeline that transformers itself has for the task;
            `tsugiki.pipeline` makes it, ``transformers.pipeline`` its own.
        pipeline_tag: What the Hub calls the task, where that is not its name.
        default_top_k: Answers that `predict` gives to an input, at most, where nobody says how many.
        shown_as: What files that show answers end in, such as ``.png`` for pictures with boxes; see `show`.
            Empty where answers are read best as words.
        validates_by_loss: Whether validation inside a training looks at the loss alone, because a row's real answer
            takes a search.
    """

    name: ClassVar[str]
    main_metric: ClassVar[str]
    greater_is_better: ClassVar[bool] = True
    inputs: ClassVar[InputKind]
    roles: ClassVar[Mapping[str, Role]] = {}
    pipeline_class: ClassVar[str | type | None] = None
    pipeline_key: ClassVar[str | None] = None
    refined_pipeline_class: ClassVar[str | None] = None
    pipeline_tag: ClassVar[str | None] = None
    default_top_k: ClassVar[int] = 5
    shown_as: ClassVar[str] = ""
    validates_by_loss: ClassVar[bool] = False

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Which column plays which role, found by what it holds or as named by the user.

        Args:
            dataset: The data.
            given: Roles the user named, such as ``{"image": "photo"}``; the others are found. A part of a structured
                column is named by itself or with the column, ``en`` or ``translation.en``.

        Raises:
            DataError: A role is unknown; a column is missing, of the wrong type, one of several, or plays two roles.
        """
        return find_columns(dataset, self.roles, given, task=self.name)

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """Fields of the model's config that follow from its processor, such as a tokenizer's ``vocab_size``."""
        return {}

    def adapted(self, base: Any, processor: Any, dataset: Dataset, columns: Mapping[str, str]) -> Adaptation:
        """What a trained model of this task is to become before it learns from other data.

        Labels that have names are seen to besides; see `tsugiki.labelled_task.LabelledTask.relabelled`.

        Args:
            base: The model; it is left as it is.
            processor: Its processor.
            dataset: The rows that it is to learn from, none of those that it is measured on.
            columns: Columns by role, as `columns` returns them.

        Returns:
            Nothing new, unless a task says otherwise: the training goes on.

        Raises:
            DataError: The rows are none that such a model can learn from.
        """
        return Adaptation(processor=processor)

    def learning_rows(self, model: Any, table: TensorTable) -> TensorTable:
        """The rows that `tsugiki.training.fit.fit` learns from, where they are others than those that are measured.

        Args:
            model: The model that is to learn.
            table: As `table` made it, or rows selected from it.
        """
        return table

    def settings(self, model: Any, table: TensorTable) -> dict[str, Any]:
        """Fields of a trained model's config that are measured, such as the score from which a detector answers.

        Args:
            model: In eval mode; it is left as it is.
            table: Rows that it did not learn from.
        """
        return {}

    def table(self, dataset: Dataset, processor: Any, columns: Mapping[str, str] | None = None) -> TensorTable:
        """Decode the rows once.

        Args:
            dataset: The data, at least one row.
            processor: The model's processor.
            columns: Columns by role; roles that it leaves out are found.

        Returns:
            What `read_rows` says.

        Raises:
            DataError: A column is missing or of the wrong type, there are no rows, or one does not decode.
        """
        found = self.columns(dataset, columns)
        check_rows(dataset)
        return self.read_rows(dataset, processor, found)

    @abstractmethod
    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """What `table` makes of data that has rows, and of `columns` that were found in it."""

    def grouped_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], groups: Tensor
    ) -> TensorTable | None:
        """What `read_rows` makes, with the group of each row, of a task whose rows are not those of the data.

        Args:
            dataset: The data.
            processor: The model's processor.
            columns: Columns by role, as `columns` returns them.
            groups: Number of the group that each row of the data belongs to, int64 (N,).

        Returns:
            Rows of which none holds anything of two groups; None where each row of the table is one of the data.
        """
        return None

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor | list[Any]:
        """What evaluation keeps of a forward pass: the logits, unless a task says otherwise.

        Args:
            model: In eval mode.
            batch: Model inputs without labels, first dimension B.

        Returns:
            (B, ...), or where rows differ in length a list of B values, as `Predictions` holds them; tensors are fine.
        """
        return model(**batch).logits

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions | None:
        """Answers to all rows at once, of a task that one forward pass a batch does not answer, such as translation.

        Args:
            model: In eval mode, on the device to compute on.
            table: Rows.
            batch_size: Rows at a time, as a rule.

        Returns:
            What `metrics` takes, rows in order; None where `outputs` of each batch is the answer.
        """
        return None

    @abstractmethod
    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """How good each row is (N,), such as its loss; a `CountedTask` says which are right instead."""

    @abstractmethod
    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """The task's figures with 95 % intervals."""

    def guess(self, predictions: Predictions) -> float | None:
        """The main metric of whoever always names the commonest label; None where that says nothing of the task."""
        return None

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw the result into `folder`, in the order a card shows it."""
        return []

    def model_figures(self, model: Any, folder: Path) -> list[Picture]:
        """Draw into `folder` what takes the model itself, such as its samples; shown before `figures`."""
        return []

    def signatures(self, processor: Any) -> dict[str, str]:
        """By metric, the line that says to readers of the field exactly how it is computed; none for most tasks."""
        return {}

    def samples(self, model: Any, processor: Any) -> list[str]:
        """Texts that the model writes from nothing, not chosen among others, for its card; none for most tasks."""
        return []

    @abstractmethod
    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Answer single inputs, as many as fit into a batch; `predict` calls it with `top_k` checked.

        Raises:
            DataError: An input cannot be answered; it is best raised before the model works on the others.
        """

    def predict(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int | None = None) -> list[Answers]:
        """Answer single inputs, a batch at a time.

        Args:
            model: A model of this task.
            processor: Its processor.
            inputs: What `answer` takes.
            top_k: Answers to each input, at most; by default the task's `default_top_k`.

        Returns:
            For each input its answers as ``{"label", "score"}``, best first; for one that cannot be answered, such as
            a text without a word, ``{"error": why}`` alone. The others are answered all the same.

        Raises:
            OptionError: `top_k` is not at least 1.
        """
        top_k = self.default_top_k if top_k is None else top_k
        if top_k < 1:
            raise OptionError(f"top_k must be at least 1, not {top_k}")
        found: list[Answers] = []
        for start in range(0, len(inputs), BATCH_SIZE):
            found += answered(
                inputs[start : start + BATCH_SIZE], lambda batch: self.answer(model, processor, batch, top_k=top_k)
            )
        return found

    def show(self, answers: Answers, content: Any) -> bytes:
        """The answers to one input as a file that ends in `shown_as`, which ``tsugiki predict --output-dir`` writes.

        Args:
            answers: As `predict` gives them.
            content: The input that they are the answers to, as `answer` takes it.

        Raises:
            OptionError: They are words, as of a task without `shown_as`.
        """
        raise OptionError(f"answers of {self.name} are shown as no file")

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """What `predict` takes of each row of a table, where a task of texts is given a CSV or the like.

        Args:
            dataset: The table; of labels and the like it needs none.
            columns: Columns by role; found when None.

        Returns:
            One input a row, None where a row has none.

        Raises:
            DataError: There is no such column, or several.
        """
        check_roles(columns, ("text", "label"), task=self.name)
        taken = [column for role, column in (columns or {}).items() if role != "text"]
        return read_column(dataset, find_column(dataset, "text", Role(TEXT_COLUMN, TEXT_COLUMNS), columns, taken=taken))


class CountedTask(Task):
    """A task whose rows are answered right or wrong, so that a card's figures are verified by counting them."""

    @abstractmethod
    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether each row was answered right (N,)."""

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """1 for a right row, 0 for a wrong one (N,)."""
        return self.correct(predictions).astype(np.float64)
