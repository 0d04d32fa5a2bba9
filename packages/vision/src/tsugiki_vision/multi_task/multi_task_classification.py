"""The task of answering several questions about one picture, some of whose answers are missing in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.class_labels import find_label_column, numbered_labels, renumbered, unknown_names
from tsugiki.columns import PICTURE_COLUMN, Role, find_column, listed, refuse_shared_columns
from tsugiki.errors import DataError, did_you_mean
from tsugiki.eval_mode import eval_mode
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.labelled_task import LabelledTask
from tsugiki.metrics import Metric, score_metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask, Picture
from tsugiki.tensor_table import TensorTable

from .multi_task import MISSING, logit_names, tasks_of

if TYPE_CHECKING:
    from datasets import Dataset


class MultiTaskImageClassification(LabelledTask, CountedTask):
    """Answer several questions about a picture; scored by the accuracy of each and their mean.

    Columns have the role `image` and a role per task, named after the task: by default every `ClassLabel` column is a
    task of its own name. A label is missing where it is null, -1 or -100; it is neither learnt from nor measured.

    The names of the labels are those of the logits, `"task: class"`, task after task. The names of the tasks in the
    metrics are those that this object saw last, in `table` or in a model that it evaluated.
    """

    name: ClassVar[str] = "multi-task-image-classification"
    inputs: ClassVar[InputKind] = PICTURES
    main_metric: ClassVar[str] = "accuracy"
    pipeline_tag: ClassVar[str | None] = "image-classification"
    pipeline_class = "tsugiki_vision.multi_task.multi_task_pipeline:MultiTaskImageClassificationPipeline"

    def __init__(self) -> None:
        self._tasks: list[str] = []

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns by feature type, or check the ones that the user named.

        Args:
            dataset: The data.
            given: Columns by role, such as `{"footwear": "is_shoe"}`. If tasks are among them, there are no others.

        Returns:
            The column of the role `image`, and of every task.

        Raises:
            DataError: A column is missing, of the wrong type, or one of several; or there is no task.
        """
        from datasets import ClassLabel

        given = dict(given or {})
        image = find_column(dataset, "image", Role(PICTURE_COLUMN), given)
        given.pop("image", None)
        tasks = given or {name: name for name, kind in dataset.features.items() if isinstance(kind, ClassLabel)}
        if not tasks:
            raise DataError(
                "the data has no column of classes (a ClassLabel); name a column for each task with "
                f"columns={{'<task>': …}}, out of {', '.join(dataset.features)}"
            )
        found = {"image": image, **{task: find_label_column(dataset, column) for task, column in tasks.items()}}
        refuse_shared_columns(found)
        return found

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Name the logits after the classes of training data.

        Args:
            dataset: The training data.
            columns: Columns by role, as `columns` returns them.

        Returns:
            `"task: class"`, task after task; classes as a `ClassLabel` orders them, else sorted.

        Raises:
            DataError: A class has no rows, or a task fewer than two classes.
        """
        tasks = {}
        for task, column in columns.items():
            if task == "image":
                continue
            names, labels = known_labels(dataset, column)
            counts = np.bincount(labels[labels != MISSING], minlength=len(names))
            if empty := [name for name, count in zip(names, counts, strict=True) if count == 0]:
                raise DataError(f"task {task!r}: no row of column {column!r} is known to be {listed(empty)}")
            if len(names) < 2:
                raise DataError(f"task {task!r}: column {column!r} holds {len(names)} class; a task needs two or more")
            tasks[task] = names
        return logit_names(tasks)

    def serves(self, known: Sequence[str], wanted: Sequence[str]) -> bool:
        """Whether the tasks are the same ones, and their classes among the model's."""
        return super().serves(known, wanted) and {*tasks_of(list(known))} == {*tasks_of(list(wanted))}

    def config_fields(self, label_names: Sequence[str]) -> dict[str, Any]:
        """`tasks`, and the `id2label` and `label2id` that follow from it."""
        return {"tasks": tasks_of(list(label_names)), **super().config_fields(label_names)}

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` int64 (N, number of tasks) with
            -100 where a label is missing.

        Raises:
            DataError: A picture does not decode, a task of the model has no column, or a class is unknown to it.
        """
        tasks = tasks_of(list(label_names))
        labels = [_labels_of_task(dataset, columns, task, classes) for task, classes in tasks.items()]
        self._tasks = list(tasks)
        return TensorTable(
            {
                "pixel_values": decode_image_column(dataset, columns["image"], processor),
                "labels": torch.from_numpy(np.stack(labels, axis=1)),
            },
            transform=Normalize.from_processor(processor),
        )

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits by task (B, number of tasks, most classes of any); minus infinity where a task has no class."""
        self._tasks = list(model.config.tasks)
        return logits_by_task(model(**batch).logits, model.config.task_sizes)

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether every known label of a row is met (N,)."""
        return (_right(predictions) | (predictions.labels == MISSING)).all(axis=1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`accuracy`, the mean over tasks, and `accuracy_<task>` of each.

        Each is a share of known labels, with its 95 % interval; a task without known labels is left
        out. Tasks whose names this object has not seen go by their numbers, from 1.
        """
        right, known = _right(predictions), predictions.labels != MISSING

        labelled = known.any(axis=1).nonzero()[0]  # a draw of rows without any label would measure nothing

        def mean_over_tasks(drawn: NDArray[np.int64]) -> float:
            rows = labelled[drawn]
            counts = known[rows].sum(axis=0)
            measured = counts > 0
            return float((right[rows].sum(axis=0)[measured] / counts[measured]).mean())

        mean = score_metric(mean_over_tasks, len(labelled), n=known.sum(), kind="share", seed=seed)
        metrics = {"accuracy": mean}
        tasks = self._tasks if len(self._tasks) == known.shape[1] else [str(n + 1) for n in range(known.shape[1])]
        for number, task in enumerate(tasks):
            if known[:, number].any():
                key = f"accuracy_{task.replace(' ', '_')}"
                metrics[key] = share_metric(right[known[:, number], number])
        return metrics

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw the accuracy of every task beside the share of its commonest class."""
        from .multi_task_pictures import draw_task_accuracies

        return [
            draw_task_accuracies(_right(predictions), predictions.labels, list(tasks_of(list(label_names))), folder)
        ]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Answer single pictures.

        Args:
            inputs: Pictures that the processor takes, such as Pillow images.

        Returns:
            For each picture, task after task, the likeliest classes, best first, as
            `{"label": "task: class", "score": probability}`.
        """
        pixel_values = processor(images=list(inputs), return_tensors="pt")["pixel_values"]
        with eval_mode(model), torch.inference_mode():
            logits = model(pixel_values=pixel_values.to(model.device, model.dtype)).logits.float()
        return [_answers(row, model.config, top_k) for row in logits]


def logits_by_task(logits: Tensor, task_sizes: Sequence[int]) -> Tensor:
    """Logits side by side (N, sum of classes) as (N, number of tasks, most classes), padded with minus infinity."""
    parts = logits.split(list(task_sizes), dim=1)
    most = max(task_sizes)
    return torch.stack(
        [torch.nn.functional.pad(part, (0, most - part.shape[1]), value=-torch.inf) for part in parts], dim=1
    )


def known_labels(dataset: Dataset, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Class names of a column, and the number of each row's class among them (N,), -100 where it is missing."""
    return numbered_labels(dataset, column, missing=(-1, MISSING))


def _labels_of_task(
    dataset: Dataset, columns: Mapping[str, str], task: str, classes: Sequence[str]
) -> NDArray[np.int64]:
    """Labels of one task by the numbers of the model's classes (N,), -100 where missing."""
    if task not in columns:
        names = [name for name in columns if name != "image"]
        raise DataError(
            f"the data has no column for the model's task {task!r}, only for {listed(names)}; name it with "
            f"columns={{{task!r}: …}}.{did_you_mean(task, names)}"
        )
    names, labels = known_labels(dataset, columns[task])
    unknown = unknown_names(names, labels, classes)
    if unknown:
        raise DataError(
            f"task {task!r}: {listed(unknown)} of column {columns[task]!r} is unknown to the model, which tells apart "
            f"{listed(classes)}"
        )
    return renumbered(names, labels, classes)


def _right(predictions: Predictions) -> NDArray[np.bool_]:
    """Whether each label is met (N, number of tasks); a missing one is not."""
    return predictions.outputs.argmax(axis=2) == predictions.labels


def _answers(logits: Tensor, config: Any, top_k: int) -> list[dict[str, Any]]:
    """The likeliest classes of each task, from the logits of one picture (sum of classes,)."""
    answers = []
    first = 0
    for size in config.task_sizes:
        scores, classes = logits[first : first + size].softmax(0).topk(min(top_k, size))
        for score, number in zip(scores.tolist(), classes.tolist(), strict=True):
            answers.append({"label": config.id2label[first + number], "score": score})
        first += size
    return answers
