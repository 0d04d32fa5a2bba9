"""The rows that a classifier is to learn from, found before any is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.groups import Groups, read_groups, without_group
from ..data.load_data import load_split, splits
from ..data.splitting import Rows, check_classes, hold_out, pick_examples
from ..errors import DataError
from ..tasks.classification import Classification
from .held_out import HeldOut, check_group, hold_rows_out
from .options import Options
from .split_roles import is_dataset, split_roles

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class LearningRows:
    """A split to learn from, and which of its rows do.

    Attributes:
        dataset: All rows of the split.
        splits: Names of the splits to train, to choose and to measure on; None for none of its own.
        columns: Columns by role.
        groups: Which rows belong together, if the data says so.
        label_names: Class names, by number.
        labels: Class numbers of all rows (N,).
        kept: Rows of the split that are measured on, where the data has no others.
        rows: Numbers of the rows that learn.
    """

    dataset: Dataset
    splits: tuple[str | None, str | None, str | None]
    columns: dict[str, str]
    groups: Groups | None
    label_names: list[str]
    labels: Tensor
    kept: HeldOut | None
    rows: Rows


def find_learning_rows(data: Any, task: Classification, options: Options) -> LearningRows:
    """Find the training split, its columns and its classes, and hold rows out where nothing else is to measure on.

    Args:
        data: What `tsugiki.data.load_data.load_split` takes.
        task: The task.
        options: Which splits to use.

    Raises:
        DataError: Data, a split or a column is missing, a class is empty, or nothing is left to measure on.
    """
    names = split_roles(splits(data), options)
    train, _, test = names
    dataset = load_split(data, train, revision=options.revision)
    given, group = without_group(options.columns)
    columns = task.columns(dataset, given)
    groups = None if group is None else read_groups(dataset, group)
    check_group(groups, options)
    label_names = task.label_names(dataset, columns)
    labels = task.labels(dataset, columns, label_names)
    check_classes(labels, label_names)
    rows, kept = torch.arange(len(labels)), None
    if options.leave_out or (test is None and not is_dataset(options.test)):
        numbers = None if groups is None else groups.numbers
        kept = hold_rows_out(
            lambda share: hold_out(labels, share, seed=options.seed, groups=numbers), groups, options, by_class=True
        )
        if not len(kept.held):
            raise DataError(
                "every class has one example, and nothing is left to measure the result on; add examples, or name "
                "test data with test="
            )
        rows = kept.stay
        check_classes(labels[rows], label_names)
    if options.examples_per_class is not None:
        rows = rows[pick_examples(labels[rows], options.examples_per_class, seed=options.seed)]
    return LearningRows(dataset, names, columns, groups, label_names, labels, kept, rows)
