"""Tasks whose labels have names, and how code for every task gets along without asking which those are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .adaptation import GOES_ON, Adaptation
from .columns import check_rows, listed
from .errors import DataError
from .picture import Picture
from .predictions import Predictions
from .task import Task
from .tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor


class LabelledTask(Task):
    """A task whose model answers in labels that have names, such as classes or tags: ``id2label`` of its config."""

    @abstractmethod
    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the labels of training data, in the order of their numbers.

        Args:
            dataset: The training data.
            columns: Columns by role, as `columns` returns them.

        Raises:
            DataError: The labels make no set to learn.
        """

    def config_fields(self, label_names: Sequence[str]) -> dict[str, Any]:
        """Fields of the model's config that follow from the labels: ``id2label`` and ``label2id``."""
        return {"id2label": dict(enumerate(label_names)), "label2id": {name: n for n, name in enumerate(label_names)}}

    def serves(self, known: Sequence[str], wanted: Sequence[str]) -> bool:
        """Whether a model that knows some labels can learn others without a new head: they are among its own."""
        return set(wanted) <= set(known)

    def relabelled(self, found: Adaptation, base: Any, wanted: Sequence[str]) -> Adaptation:
        """An adaptation with a new head for labels that the base does not know; else its training goes on.

        Args:
            found: What `adapted` says.
            base: The base model.
            wanted: Labels of the training data.
        """
        known = [name for _, name in sorted((base.config.id2label or {}).items())]
        if self.serves(known, wanted):
            return replace(found, label_names=known)
        head = f"a new head for the labels {listed(wanted)}, for the base knows other ones"
        why = f"{head}." if found.why == GOES_ON else f"{head}; {found.why}"
        return replace(found, label_names=wanted, head_fields=self.config_fields(wanted), why=why)

    def table(
        self,
        dataset: Dataset,
        processor: Any,
        columns: Mapping[str, str] | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> TensorTable:
        """Decode the rows once, as `Task.table` says.

        Args:
            dataset: The data, at least one row.
            processor: The model's processor.
            columns: Columns by role; roles that it leaves out are found.
            label_names: The model's labels, matched by name, so that the order in the data is free; by default the
                data's own, see `label_names`.
        """
        found = self.columns(dataset, columns)
        check_rows(dataset)
        names = self.label_names(dataset, found) if label_names is None else label_names
        return self.read_rows(dataset, processor, found, list(names))

    @abstractmethod
    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """What `table` makes of data that has rows, of `columns` found in it and of the model's labels."""

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw the result into `folder`, in the order a card shows it; labels go by `label_names`, the model's."""
        return []


@dataclass(frozen=True)
class BoundTask:
    """A task with the names of a model's labels. Code for every task calls these, whether the task has labels or not.

    Attributes:
        task: Any task.
        label_names: Of the model's labels, in the order of their numbers; a task without labels takes no notice.
    """

    task: Task
    label_names: Sequence[str] = ()

    @classmethod
    def to_data(cls, task: Task, dataset: Dataset, columns: Mapping[str, str]) -> BoundTask:
        """A task with the labels of training data; see `LabelledTask.label_names`."""
        return cls(task, task.label_names(dataset, columns) if isinstance(task, LabelledTask) else [])

    def config_fields(self) -> dict[str, Any]:
        """Fields of the model's config that follow from the labels; none without labels."""
        return self.task.config_fields(self.label_names) if isinstance(self.task, LabelledTask) else {}

    def table(self, dataset: Dataset, processor: Any, columns: Mapping[str, str] | None = None) -> TensorTable:
        """The decoded rows; see `Task.table`."""
        return self.task.table(dataset, processor, columns, **self._labels())

    def grouped_table(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], groups: Tensor | None
    ) -> TensorTable:
        """The decoded rows with the group of each.

        Args:
            dataset: The data, at least one row.
            processor: The model's processor.
            columns: Columns by role, as `Task.columns` returns them.
            groups: Number of the group that each row of the data belongs to (N,); None where nothing belongs together.

        Raises:
            DataError: Rows of the task may hold several of the data's, and it cannot keep groups apart.
        """
        own = None if groups is None else self.task.grouped_rows(dataset, processor, columns, groups)
        if own is not None:
            return own
        table = self.table(dataset, processor, columns)
        if groups is not None and len(table) != len(groups):
            raise DataError(f"rows of {self.task.name} are not those of the data, so that no group stays whole")
        return table.with_groups(groups)

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """What the task draws; see `Task.figures`."""
        return self.task.figures(predictions, table, folder, **self._labels())

    def _labels(self) -> dict[str, Any]:
        return {"label_names": self.label_names} if isinstance(self.task, LabelledTask) else {}
