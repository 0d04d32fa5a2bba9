"""Which rows learn and which are kept back, by class or at random, as a function of labels, groups and seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError
from ..tensor_table import TensorTable
from .groups import Folds, group_folds, hold_out_groups

Rows = Tensor  # int64 row numbers


def class_counts(labels: Tensor, num_labels: int) -> NDArray[np.int64]:
    """Examples of every class (C,)."""
    return np.bincount(labels.cpu().numpy(), minlength=num_labels)


def check_classes(labels: Tensor, label_names: Sequence[str]) -> None:
    """Refuse classes without an example to learn from.

    Raises:
        DataError: Names them.
    """
    counts = class_counts(labels, len(label_names))
    if empty := [name for name, count in zip(label_names, counts, strict=True) if count == 0]:
        raise DataError(
            f"{'class' if len(empty) == 1 else 'classes'} {', '.join(map(repr, empty[:5]))}"
            f"{' and others' if len(empty) > 5 else ''}: no training rows; add examples or remove the name"
        )


def pick_examples(labels: Tensor, count: int, *, seed: int) -> Rows:
    """So many rows of every class, drawn at random; all of a class that has fewer.

    The rows of a smaller count are among those of a larger one with the same seed.
    """
    return _sorted(rows[:count] for rows in _shuffled(labels, seed))


def hold_out(labels: Tensor, fraction: float, *, seed: int, groups: Tensor | None = None) -> tuple[Rows, Rows]:
    """Split rows by class into those that stay and those held out.

    Every class keeps at least one row, and gives at least one where it has two.

    Args:
        labels: Class numbers (N,).
        fraction: Share that is held out.
        seed: Of the draw.
        groups: Group numbers (N,) of rows that belong together; groups stay whole.

    Returns:
        Row numbers that stay, and row numbers held out, both sorted.

    Raises:
        DataError: There are too few groups.
    """
    if groups is not None:
        return _sorted_pair(hold_out_groups(labels, groups, fraction, seed=seed))
    stay, held = [], []
    for rows in _shuffled(labels, seed):
        count = min(max(1, round(len(rows) * fraction)), len(rows) - 1)
        held.append(rows[:count])
        stay.append(rows[count:])
    return _sorted(stay), _sorted(held)


def hold_out_at_random(rows: int, fraction: float, *, seed: int, groups: Tensor | None = None) -> tuple[Rows, Rows]:
    """Split rows at random into those that stay and those held out; each part has a row where there are two.

    Args:
        rows: How many there are.
        fraction: Share that is held out.
        seed: Of the draw.
        groups: Group numbers (N,) of rows that belong together; groups stay whole.

    Returns:
        Row numbers that stay, and row numbers held out, both sorted.

    Raises:
        DataError: There is one group only.
    """
    if groups is not None:
        return _sorted_pair(hold_out_groups(None, groups, fraction, seed=seed))
    order = np.random.default_rng(seed).permutation(rows)
    count = min(max(1, round(rows * fraction)), rows - 1)
    return _sorted([order[count:]]), _sorted([order[:count]])


def repeated(table: TensorTable, times: int) -> TensorTable:
    """The rows several times over, each time with its own augmentation.

    An epoch of ten rows is over before it began; the loop spends its time on starting epochs.
    """
    if times <= 1:
        return table
    rows = len(table)
    again = table.select(torch.arange(rows).repeat(times))
    again.row_ids = torch.cat([table.row_ids + number * (int(table.row_ids.max()) + 1) for number in range(times)])
    return again


def folds_of(labels: NDArray[np.int64], folds: int, seed: int, groups: NDArray[np.int64] | None = None) -> Folds:
    """Stratified folds: row numbers to fit on and to score, for each; groups stay whole.

    Args:
        labels: Class numbers (N,).
        folds: Their number; no more than there are groups.
        seed: Of the draw.
        groups: Group numbers (N,) of rows that belong together.

    Raises:
        DataError: There is one group only.
    """
    from sklearn.model_selection import StratifiedKFold

    if groups is not None:
        return group_folds(labels, groups, folds, seed)
    return StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)


def _sorted_pair(split: tuple[NDArray[np.intp], NDArray[np.intp]]) -> tuple[Rows, Rows]:
    return _sorted([split[0]]), _sorted([split[1]])


def _shuffled(labels: Tensor, seed: int) -> list[NDArray[np.int64]]:
    numbers = labels.cpu().numpy()
    order = np.random.default_rng(seed).permutation(len(numbers))
    return [order[numbers[order] == label] for label in np.unique(numbers)]


def _sorted(splits: Iterable[NDArray[np.int64]]) -> Rows:
    return torch.from_numpy(np.sort(np.concatenate(list(splits))))
