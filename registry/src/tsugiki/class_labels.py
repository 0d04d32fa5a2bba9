"""Columns of classes: found by type or by a usual name, their names, and the number of each row's class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .columns import (
    LABEL_COLUMNS,
    check_rows,
    is_text,
    kind_of,
    listed,
    named_column,
    read_column,
    refuse_missing,
    the_only_one,
)
from .errors import DataError
from .tensor_table import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset


def find_label_column(dataset: Dataset, given: str | None = None) -> str:
    """The column of classes: the one named, the only `ClassLabel`, or the only one with one of the usual names.

    Raises:
        DataError: It is missing, holds no classes, or is one of several.
    """
    from datasets import ClassLabel

    if given is not None:
        column = named_column(dataset, given)
    else:
        found = [name for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)]
        found = found or [name for name in LABEL_COLUMNS if name in dataset.features]
        kind = f"of classes (a ClassLabel, or one named {listed(LABEL_COLUMNS)})"
        column = the_only_one(found, kind, "label", dataset)
    check_label_column(dataset, column)
    return column


def check_label_column(dataset: Dataset, column: str) -> None:
    """Refuse a column that cannot hold classes with a DataError."""
    from datasets import ClassLabel, Value

    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        return
    if not (isinstance(feature, Value) and (is_text(feature) or feature.dtype.startswith(("int", "uint", "bool")))):
        raise DataError(
            f"label column {column!r} holds {kind_of(feature)}, not classes; it must hold class names, integers or a "
            f"ClassLabel: convert it, or name another with columns={{'label': …}}, out of {', '.join(dataset.features)}"
        )


def refuse_labels_as_texts(dataset: Dataset, column: str, texts: Sequence[str]) -> None:
    """Refuse texts that say what the column of classes says in each row: they were learned by reading the answer.

    Raises:
        DataError: They do, and there is more than one class.
    """
    names, labels = numbered_labels(dataset, column)
    if len(set(texts)) > 1 and all(
        label != IGNORED and text == names[label] for text, label in zip(texts, labels, strict=True)
    ):
        raise DataError(f"every text is its own label of column {column!r}; name the column that holds the texts")


def class_names(dataset: Dataset, column: str) -> list[str]:
    """Name the classes of training data.

    Returns:
        The names of a `ClassLabel` in its order; strings sorted by the alphabet and integers by size otherwise.

    Raises:
        DataError: A row has no label, a class has no rows, or there are fewer than two classes.
    """
    names, labels = numbered_labels(dataset, column)
    _refuse_missing(labels, column)
    counts = np.bincount(labels, minlength=len(names))
    if empty := [name for name, count in zip(names, counts, strict=True) if count == 0]:
        raise DataError(
            f"{'class' if len(empty) == 1 else 'classes'} {listed(empty)} of column {column!r} "
            f"{'has' if len(empty) == 1 else 'have'} no rows to learn from; add examples or remove the name"
        )
    if len(names) < 2:
        raise DataError(f"column {column!r} holds {len(names)} class; a classifier needs two or more")
    return names


def class_numbers(dataset: Dataset, column: str, label_names: Sequence[str]) -> NDArray[np.int64]:
    """The number of each row's class among a model's (N,), matched by name, so that the order in the data is free.

    Raises:
        DataError: There are no rows, or a label is missing or unknown to the model.
    """
    check_rows(dataset)
    names, labels = numbered_labels(dataset, column)
    _refuse_missing(labels, column)
    if unknown := unknown_names(names, labels, label_names):
        raise DataError(
            f"{'label' if len(unknown) == 1 else 'labels'} {listed(unknown)} of column {column!r} "
            f"{'is' if len(unknown) == 1 else 'are'} unknown to the model, which tells apart {listed(label_names)}"
        )
    return renumbered(names, labels, label_names)


def numbered_labels(
    dataset: Dataset, column: str, *, missing: Collection[int] | None = None
) -> tuple[list[str], NDArray[np.int64]]:
    """Class names as the data has them, and the number of each row's class among them (N,), -100 where it has none.

    Args:
        dataset: The data.
        column: A column of classes.
        missing: Numbers that stand for no class, as a null does; by default -1 where the classes have names.
    """
    from datasets import ClassLabel

    feature: Any = dataset.features[column]
    has_names = isinstance(feature, ClassLabel) and bool(feature.names)
    missing = ((-1,) if has_names else ()) if missing is None else missing
    values = read_column(dataset, column)
    known = np.array([value is not None and value not in missing for value in values], dtype=bool)
    labels = np.full(len(values), IGNORED, dtype=np.int64)
    kept = [value for value, is_known in zip(values, known, strict=True) if is_known]
    if has_names:
        labels[known] = np.asarray(kept, dtype=np.int64)
        return list(feature.names), labels
    distinct, numbers = np.unique(np.asarray(kept), return_inverse=True)
    labels[known] = numbers
    return [str(value) for value in distinct], labels


def unknown_names(names: Sequence[str], labels: NDArray[np.int64], label_names: Sequence[str]) -> list[str]:
    """Names of the data's classes that rows have (N,) and a model does not know."""
    return [names[label] for label in np.unique(labels[labels != IGNORED]) if names[label] not in label_names]


def renumbered(names: Sequence[str], labels: NDArray[np.int64], label_names: Sequence[str]) -> NDArray[np.int64]:
    """Numbers among the data's names as numbers among the model's (N,); those that are missing stay so."""
    numbers = {name: number for number, name in enumerate(label_names)}
    translation = np.array([*(numbers.get(name, IGNORED) for name in names), IGNORED])  # the last for missing labels
    return translation[np.where(labels == IGNORED, len(names), labels)]


def _refuse_missing(labels: NDArray[np.int64], column: str) -> None:
    rows = np.flatnonzero(labels == IGNORED).tolist()
    refuse_missing(rows, len(labels), "label", column, "choose a split with labels")
