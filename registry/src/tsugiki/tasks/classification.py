"""What all classification tasks share: columns, class names, accuracy and answers.

A task of pictures, recordings, clips or texts says which columns it can read, how it decodes them, and how it hands
single inputs to a model; everything about classes is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, OptionError, did_you_mean
from ..metrics import Metric, share_metric
from ..predictions import Predictions
from ..task import Picture, Task
from ..tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

LABEL_COLUMNS = ("label", "labels", "class", "target")  # taken for labels although they are plain strings or integers
BATCH_SIZE = 64  # inputs that `predict` puts through the network at once


class Classification(Task):
    """Tell to which of several classes an input belongs; scored by accuracy.

    Columns have the role that `input_role` names and `label` (a `ClassLabel`, or a column of strings or integers with
    one of the names in `LABEL_COLUMNS`).

    Attributes:
        input_role: The role of the column that is classified.
        inputs_called: What captions call its rows.
    """

    main_metric: ClassVar[str] = "accuracy"
    input_role: ClassVar[str]
    inputs_called: ClassVar[str]

    @abstractmethod
    def find_input_columns(self, dataset: Dataset) -> tuple[list[str], str]:
        """Columns that hold inputs by their feature type, and what such a type is called in a message."""

    @abstractmethod
    def check_input_column(self, dataset: Dataset, column: str) -> None:
        """Refuse a column that cannot be read as inputs with a DataError."""

    @abstractmethod
    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """Prepare single inputs for a forward pass, in the processor's float32."""

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns by feature type, or check the ones that the user named.

        Args:
            dataset: The data.
            given: Columns by role, such as `{"label": "fine_label"}`; roles that it leaves out are found.

        Returns:
            The columns of the roles `input_role` and `label`.

        Raises:
            DataError: A column is missing, of the wrong type, or one of several.
        """
        given = given or {}
        roles = (self.input_role, "label")
        for role, column in given.items():
            if role not in roles:
                raise DataError(
                    f"{self.name} has no role {role!r}, only {' and '.join(roles)}.{did_you_mean(role, roles)}"
                )
            check_column_exists(dataset, column)
        found = given.get(self.input_role)
        if found is None:
            found = the_only_one(*self.find_input_columns(dataset), self.input_role, dataset)
        label = given.get("label") or _find_label_column(dataset)
        self.check_input_column(dataset, found)
        check_label_column(dataset, label)
        return {self.input_role: found, "label": label}

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Name the classes of training data.

        Args:
            dataset: The training data.
            columns: Columns by role, as `columns` returns them.

        Returns:
            The names of a `ClassLabel` in its order; strings sorted by the alphabet and integers by size otherwise.

        Raises:
            DataError: A row has no label, a class has no rows, or there are fewer than two classes.
        """
        names, labels = _labels(dataset, columns["label"])
        counts = np.bincount(labels, minlength=len(names))
        if empty := [name for name, count in zip(names, counts, strict=True) if count == 0]:
            raise DataError(
                f"{'class' if len(empty) == 1 else 'classes'} {listed(empty)} of column {columns['label']!r} "
                f"{'has' if len(empty) == 1 else 'have'} no rows to learn from; add examples or remove the name"
            )
        if len(names) < 2:
            raise DataError(f"column {columns['label']!r} holds {len(names)} class; a classifier needs two or more")
        return names

    def config_fields(self, label_names: Sequence[str]) -> dict[str, Any]:
        """`id2label` and `label2id`, from which a config derives `num_labels`."""
        return {"id2label": dict(enumerate(label_names)), "label2id": {name: i for i, name in enumerate(label_names)}}

    def labels(self, dataset: Dataset, columns: Mapping[str, str], label_names: Sequence[str] | None) -> Tensor:
        """The numbers of the rows' classes, matched by name, so that the order in the data is free.

        Args:
            dataset: The data, at least one row.
            columns: Columns by role.
            label_names: The model's classes; by default the data's own, each of which must then have rows.

        Returns:
            int64 (N,).

        Raises:
            DataError: There are no rows, or a label is missing or unknown to the model.
        """
        if len(dataset) == 0:
            raise DataError("the data has no rows")
        if label_names is None:
            label_names = self.label_names(dataset, columns)
        names, labels = _labels(dataset, columns["label"])
        numbers = {name: number for number, name in enumerate(label_names)}
        unknown = [names[label] for label in np.unique(labels) if names[label] not in numbers]
        if unknown:
            raise DataError(
                f"{'label' if len(unknown) == 1 else 'labels'} {listed(unknown)} of column {columns['label']!r} "
                f"{'is' if len(unknown) == 1 else 'are'} unknown to the model, which tells apart {listed(label_names)}"
            )
        translation = np.array([numbers.get(name, -1) for name in names])
        return torch.from_numpy(translation[labels])

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether the class with the highest logit is the labelled one (N,)."""
        return predictions.outputs.argmax(axis=1) == predictions.labels

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`accuracy`: the share of right answers, with its bootstrap 95 % interval."""
        return {"accuracy": share_metric(self.correct(predictions), seed=seed)}

    def figures(
        self, predictions: Predictions, table: TensorTable, label_names: Sequence[str], folder: Path
    ) -> list[Picture]:
        """Draw the confusion matrix."""
        from .confusion_matrix import draw_confusion_matrix

        return [draw_confusion_matrix(predictions, label_names, folder, inputs_called=self.inputs_called)]

    def predict(
        self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int = 5
    ) -> list[list[dict[str, Any]]]:
        """Classify single inputs.

        Args:
            model: A classifier of this task.
            processor: Its processor.
            inputs: What the processor takes, such as Pillow images.
            top_k: Classes to return for each, at most.

        Returns:
            For each input its likeliest classes, best first, as `{"label": name, "score": probability}`.

        Raises:
            OptionError: `top_k` is not at least 1.
        """
        if top_k < 1:
            raise OptionError(f"top_k must be at least 1, not {top_k}")
        answers: list[list[dict[str, Any]]] = []
        was_training = model.training
        model.eval()
        try:
            for start in range(0, len(inputs), BATCH_SIZE):
                batch = self.model_inputs(processor, list(inputs[start : start + BATCH_SIZE]))
                with torch.inference_mode():
                    logits = model(**_placed(batch, model)).logits
                scores, labels = logits.float().softmax(dim=-1).topk(min(top_k, logits.shape[-1]))
                for row_scores, row_labels in zip(scores.tolist(), labels.tolist(), strict=True):
                    answers.append(
                        [
                            {"label": model.config.id2label[label], "score": score}
                            for score, label in zip(row_scores, row_labels, strict=True)
                        ]
                    )
        finally:
            model.train(was_training)
        return answers


def _placed(batch: Mapping[str, Tensor], model: Any) -> dict[str, Tensor]:
    """Inputs where the model is, floating-point ones in its number format."""
    dtype = model.dtype
    return {name: value.to(model.device, dtype if value.is_floating_point() else None) for name, value in batch.items()}


def check_column_exists(dataset: Dataset, column: str) -> None:
    """Refuse the name of no column with a DataError that suggests the nearest."""
    if column not in dataset.features:
        raise DataError(
            f"the data has no column {column!r}, only {', '.join(dataset.features)}."
            f"{did_you_mean(column, dataset.features)}"
        )


def the_only_one(found: list[str], kind: str, role: str, dataset: Dataset) -> str:
    """The one column that was found, or a DataError that asks for a choice."""
    if len(found) == 1:
        return found[0]
    what = f"several columns {kind}: {', '.join(found)}" if found else f"no column {kind}"
    raise DataError(
        f"the data has {what}; name the one to use with columns={{{role!r}: …}}, out of {', '.join(dataset.features)}"
    )


def check_label_column(dataset: Dataset, column: str) -> None:
    """Refuse a column that cannot hold classes with a DataError."""
    from datasets import ClassLabel, Value

    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        return
    if not (isinstance(feature, Value) and feature.dtype.startswith(("int", "uint", "string", "large_string", "bool"))):
        raise DataError(
            f"label column {column!r} holds {kind_of(feature)}, not classes; it must hold class names, integers or a "
            f"ClassLabel: convert it, or name another with columns={{'label': …}}, out of {', '.join(dataset.features)}"
        )


def is_encoded_media(feature: Any) -> bool:
    """Whether a column holds what `datasets` can cast to media: records of bytes and path, file names, or bytes."""
    from datasets import Value

    is_record = isinstance(feature, dict) and set(feature) == {"bytes", "path"}
    is_value = isinstance(feature, Value) and feature.dtype in ("string", "large_string", "binary", "large_binary")
    return is_record or is_value


def is_text(feature: Any) -> bool:
    """Whether a column holds strings."""
    from datasets import Value

    return isinstance(feature, Value) and feature.dtype in ("string", "large_string")


def kind_of(feature: Any) -> str:
    """What a column holds, for a message: `float64`, `List`, `Audio`, …"""
    return str(feature.dtype) if type(feature).__name__ == "Value" else type(feature).__name__


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Names in quotes, separated by commas; from `limit` on only their number."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _find_label_column(dataset: Dataset) -> str:
    from datasets import ClassLabel

    found = [name for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)]
    found = found or [name for name in LABEL_COLUMNS if name in dataset.features]
    return the_only_one(found, f"of classes (a ClassLabel, or one named {listed(LABEL_COLUMNS)})", "label", dataset)


def _labels(dataset: Dataset, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Class names, and the number of each row's class among them (N,)."""
    from datasets import ClassLabel

    feature = dataset.features[column]
    values = list(dataset.with_format(None)[column])
    missing = [row for row, value in enumerate(values) if value is None or (value == -1 and _has_names(feature))]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(values)} rows have no label in column {column!r}, the first is row {missing[0]}; "
            "remove them or choose a split with labels"
        )
    if isinstance(feature, ClassLabel) and feature.names:
        return list(feature.names), np.asarray(values, dtype=np.int64)
    distinct, numbers = np.unique(np.asarray(values), return_inverse=True)
    return [str(value) for value in distinct], numbers.astype(np.int64)


def _has_names(feature: Any) -> bool:
    return bool(getattr(feature, "names", None))
