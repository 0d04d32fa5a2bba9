"""Rows of the training data that are kept back to measure on: a share of them, whole groups, or groups by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..columns import read_column
from ..data.groups import Groups, group_like_column, name_digest
from ..data.splitting import Rows
from ..errors import DataError
from ..snapshots.provenance import Selection
from .options import Options

if TYPE_CHECKING:
    from datasets import Dataset

TEST_SHARE = 0.2
_NO_PART = "which took no part in training or choosing"


@dataclass(frozen=True)
class HeldOut:
    """Rows kept back.

    Attributes:
        stay: Row numbers that learn.
        held: Row numbers that are measured on.
        selection: How provenance says which they are.
        measured_on: The rows, in words.
    """

    stay: Rows
    held: Rows
    selection: Selection
    measured_on: str


def hold_rows_out(
    draw: Callable[[float], tuple[Rows, Rows]], groups: Groups | None, options: Options, *, by_class: bool
) -> HeldOut:
    """Keep rows back to measure on.

    Args:
        draw: Draws the share; groups stay whole in it.
        groups: Which rows belong together, if the data says so.
        options: The options.
        by_class: Whether the share is drawn by class.

    Raises:
        DataError: A group to leave out does not exist, or nothing would be left to learn from.
    """
    column = None if groups is None else groups.column
    if groups is not None and options.leave_out:
        stay, held = groups.leave_out(options.leave_out)
        selection = Selection(options.seed, group=column, left_out=[name_digest(name) for name in options.leave_out])
        return HeldOut(
            stay,
            held,
            selection,
            f"{len(held):,} training rows of {len(options.leave_out)} {column} left out, {_NO_PART}",
        )
    share = options.test if isinstance(options.test, float) else TEST_SHARE
    stay, held = draw(share)
    how = (
        ("held out by class" if by_class else "held out at random") if groups is None else f"of whole {column} held out"
    )
    selection = Selection(options.seed, held_out=share, at_random=not by_class, group=column)
    return HeldOut(stay, held, selection, f"{len(held):,} training rows {how}, {_NO_PART}")


def check_group(groups: Groups | None, options: Options) -> None:
    """Refuse groups to leave out where no column says which rows are theirs.

    Raises:
        DataError: They are named, and no column of groups is.
    """
    if options.leave_out and groups is None:
        raise DataError("leave_out names groups; say with columns={'group': …} which column holds them")


def group_caveats(train: Dataset, test: Dataset | None, groups: Groups | None, columns: Mapping[str, str]) -> list[str]:
    """One sentence where rows of one group may both be learned from and measured on, else none.

    Args:
        train: Rows to learn from.
        test: Rows to measure on that are not held out of them.
        groups: Which training rows belong together, where a column of them was named.
        columns: Columns by role.
    """
    if groups is not None and test is None:
        return []
    column = groups.column if groups is not None else group_like_column(train, columns.values())
    if column is None:
        return []
    if test is not None and (
        column not in test.features or set(read_column(train, column)).isdisjoint(read_column(test, column))
    ):
        return []
    advice = "" if groups is not None else f"; columns group={column} keeps each of them whole"
    return [
        f"Rows of one {column} may be both learned from and measured on, so that the figure may not hold for a new "
        f"{column}{advice}."
    ]
