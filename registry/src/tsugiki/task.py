"""What a task knows: data and metrics, never architectures.

A task finds the columns it needs, turns rows into a `TensorTable`, scores predictions and shows a result as a
picture. Fine-tuning, evaluation, cards and conformance are written once against this class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .errors import OptionError
from .inputs import InputKind
from .metrics import Metric
from .picture import Picture
from .predictions import Predictions
from .tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["Metric", "Picture", "Task"]


class Task(ABC):
    """A kind of question asked of a model, such as image classification.

    Attributes:
        name: The task's name; also its key in ``Family.models`` and the card's pipeline tag.
        main_metric: The metric that early stopping and depth choice look at.
        greater_is_better: Whether more of it is better.
        counted: Whether rows are right or wrong. Otherwise `row_scores` says how good each is.
        has_classes: Whether every row belongs to one class of the model's ``id2label``. Fine-tuning sets a new head for
            other classes, so it works on these tasks.
        inputs: What `predict` takes, and how `tsugiki predict` finds it; see `tsugiki.inputs`.
        pipeline_class: The pipeline of a task that transformers has none for: a subclass of its ``Pipeline``, or a
            reference of one (``"package.module:Class"``).
        pipeline_key: Key of `tsugiki.snapshots.auto_classes.AUTO_CLASSES` whose Auto class loads the models of that
            pipeline, where it is not the task's name.
        refined_pipeline_class: Reference of a subclass of the pipeline that transformers itself has for the task;
            `tsugiki.pipeline` makes it, ``transformers.pipeline`` its own.
        pipeline_tag: What the Hub calls the task, where that is not its name.
        validates_by_loss: Whether validation inside a training looks at the loss alone, because a row's real answer
            takes a search.
    """

    name: ClassVar[str]
    main_metric: ClassVar[str]
    greater_is_better: ClassVar[bool] = True
    counted: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True
    inputs: ClassVar[InputKind]
    pipeline_class: ClassVar[str | type | None] = None
    pipeline_key: ClassVar[str | None] = None
    refined_pipeline_class: ClassVar[str | None] = None
    pipeline_tag: ClassVar[str | None] = None
    validates_by_loss: ClassVar[bool] = False

    @abstractmethod
    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Which column plays which role, found by feature type or as named by the user.

        Args:
            dataset: The data.
            given: Roles the user named, such as ``{"image": "photo"}``.

        Raises:
            DataError: A column is missing or of the wrong type.
        """

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the classes, in the order of their numbers; none for a task without classes."""
        return []

    def config_fields(self, label_names: Sequence[str]) -> dict[str, Any]:
        """Fields of the model's config that follow from the labels, such as ``id2label``."""
        return {}

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """Fields of the model's config that follow from its processor, such as a tokenizer's ``vocab_size``."""
        return {}

    @abstractmethod
    def table(
        self,
        dataset: Dataset,
        processor: Any,
        columns: Mapping[str, str] | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> TensorTable:
        """Decode the rows once.

        Args:
            dataset: The data.
            processor: The model's processor.
            columns: Roles as `columns` returns them; found when None.
            label_names: Class names of the model; labels are matched by name.

        Raises:
            DataError: A row does not decode, a label is unknown to the model.
        """

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

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether each row was answered right (N,). Every task that is `counted` has it."""
        raise OptionError(f"rows of the task {self.name!r} are not right or wrong; see row_scores")

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """What each row adds to the main figure (N,): 1 or 0 where rows are right or wrong, else a loss."""
        return self.correct(predictions).astype(np.float64)

    @abstractmethod
    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """The task's figures with bootstrap 95 % intervals."""

    def figures(
        self, predictions: Predictions, table: TensorTable, label_names: Sequence[str], folder: Path
    ) -> list[Picture]:
        """Draw the result into `folder`, in the order a card shows it."""
        return []

    def model_figures(self, model: Any, folder: Path) -> list[Picture]:
        """Draw into `folder` what takes the model itself, such as its samples; shown before `pictures`."""
        return []

    def signatures(self, processor: Any) -> dict[str, str]:
        """By metric, the line that says to readers of the field exactly how it is computed; none for most tasks."""
        return {}

    def samples(self, model: Any, processor: Any) -> list[str]:
        """Texts that the model writes from nothing, not chosen among others, for its card; none for most tasks."""
        return []

    @abstractmethod
    def predict(
        self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int = 5
    ) -> list[list[dict[str, Any]]]:
        """Answer single inputs: for each the `top_k` labels as ``{"label", "score"}``, best first."""
