"""Rows that belong together, such as those of one speaker, author or book: kept whole wherever rows are held out.

A model that has heard a speaker knows the voice; rows of the same speaker then say little about new ones. The column
that says which rows belong together has the role ``group``, which every task's data may have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..columns import GROUP, check_rows, is_text, kind_of, named_column, read_column, refuse_missing
from ..errors import DataError, did_you_mean
from ..fingerprint import options_fingerprint

if TYPE_CHECKING:
    from datasets import Dataset

Folds = Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]

USUAL = ("speaker", "person", "author", "book", "source", "subject", "writer", "patient")  # columns that look like one


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to.

    Attributes:
        column: That says it.
        names: Of the groups, in the order of their numbers.
        numbers: Of each row's group (N,), int64.
    """

    column: str
    names: list[str]
    numbers: Tensor

    def rows_of(self, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Row numbers of all other groups, and those of the groups named.

        Raises:
            DataError: There is no such group.
        """
        for name in names:
            if name not in self.names:
                raise DataError(f"column {self.column!r} has no group {name!r}.{did_you_mean(name, self.names)}")
        is_out = torch.isin(self.numbers, torch.tensor([self.names.index(name) for name in names]))
        return (~is_out).nonzero().flatten(), is_out.nonzero().flatten()

    def rows_of_digests(self, digests: Sequence[str]) -> Tensor:
        """Row numbers of the groups whose names have these digests; see `name_digest`."""
        _, own = self.rows_of([name for name in self.names if name_digest(name) in digests])
        return own

    def leave_out(self, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """As `rows_of`, where the others are to be learned from.

        Raises:
            DataError: There is no such group, or no other.
        """
        others, own = self.rows_of(names)
        if not len(others):
            raise DataError(f"leave_out names every group of column {self.column!r}, and nothing is left to learn from")
        return others, own


def name_digest(name: str) -> str:
    """What tells a group from others and is not legible: groups may be called after persons, and cards are public."""
    return options_fingerprint({GROUP: name})[:16]


def without_group(given: Mapping[str, str] | None) -> tuple[dict[str, str] | None, str | None]:
    """Columns by role as a user named them: those of the task, and that of the groups."""
    rest = {role: column for role, column in (given or {}).items() if role != GROUP}
    return (rest or None), (given or {}).get(GROUP)


def read_groups(dataset: Dataset, column: str) -> Groups:
    """The group of each row.

    Args:
        dataset: The data.
        column: Of texts, whole numbers or a `ClassLabel`.

    Raises:
        DataError: There is no such column, it holds something else, or a row has no group.
    """
    from datasets import ClassLabel, Value

    column = named_column(dataset, column)
    check_rows(dataset)
    feature = dataset.features[column]
    if not (
        isinstance(feature, ClassLabel)
        or is_text(feature)
        or (isinstance(feature, Value) and feature.dtype.startswith(("int", "uint")))
    ):
        raise DataError(
            f"group column {column!r} holds {kind_of(feature)}, not groups; name one of texts, integers or a ClassLabel"
        )
    values = read_column(dataset, column)
    refuse_missing([row for row, value in enumerate(values) if value is None], len(values), "group", column)
    kinds = sorted(set(values))
    number = {value: position for position, value in enumerate(kinds)}
    shown = [feature.int2str(kind) if isinstance(feature, ClassLabel) else str(kind) for kind in kinds]
    return Groups(column, shown, torch.tensor([number[value] for value in values]))


def group_like_column(dataset: Dataset, taken: Collection[str]) -> str | None:
    """A column that by its name and values may say which rows belong together; none of those that play a role."""
    for column in dataset.features:
        if column.lower().removesuffix("_id") in USUAL and column not in taken:
            values = read_column(dataset, column)
            if all(isinstance(value, str | int) for value in values) and 1 < len(set(values)) < len(values):
                return column
    return None


def group_folds(labels: NDArray[np.int64] | None, groups: NDArray[np.int64], folds: int, seed: int) -> Folds:
    """Row numbers inside and outside of each fold, groups whole and classes spread as evenly as those allow.

    Args:
        labels: Class numbers (N,); None where there are no classes.
        groups: Group numbers (N,).
        folds: At most so many; no more than there are groups.
        seed: Of the draw.

    Raises:
        DataError: There is one group only.
    """
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    count = len(np.unique(groups))
    if count < 2:
        raise DataError("all rows are of one group, so that none can be held out whole; add rows of other groups")
    classes = np.zeros(len(groups), dtype=np.int64) if labels is None else labels
    splitter = StratifiedGroupKFold(max(2, min(folds, count)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has fewer rows than there are folds
        splits = list(splitter.split(np.zeros(len(groups)), classes, groups))
    yield from ((inside, outside) for inside, outside in splits if len(outside))  # of groups of unlike size


def can_hold_out_groups(labels: Tensor | None, groups: Tensor) -> bool:
    """Whether groups can be held out whole, and every class keeps rows."""
    try:
        hold_out_groups(labels, groups, 0.5, seed=0)
    except DataError:
        return False
    return True


def hold_out_groups(
    labels: Tensor | None, groups: Tensor, fraction: float, *, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into those that stay and those held out, groups whole; every class keeps rows.

    Args:
        labels: Class numbers (N,); None where there are no classes.
        groups: Group numbers (N,).
        fraction: Share of the rows that is held out, as nearly as the groups allow.
        seed: Of the draw.

    Returns:
        Row numbers that stay, and row numbers held out, both sorted.

    Raises:
        DataError: There is one group only, or a class would be left without rows.
    """
    numbers, of = None if labels is None else labels.cpu().numpy(), groups.cpu().numpy()
    swapped = fraction > 0.5
    parts = round(1 / (1 - fraction if swapped else fraction))
    splits = [split[::-1] if swapped else split for split in group_folds(numbers, of, parts, seed)]
    if numbers is not None:
        classes = len(np.unique(numbers))
        splits = [(stay, held) for stay, held in splits if len(np.unique(numbers[stay])) == classes]
        if not splits:
            raise DataError(
                "whichever groups are held out whole, a class is left without rows to learn from; add groups, or name "
                "test data or a group to leave out"
            )
    return min(splits, key=lambda split: abs(len(split[1]) / len(of) - fraction))
