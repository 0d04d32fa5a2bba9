"""Columns of texts: found by type, and read, those of a translation's two languages too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tsugiki.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset


def text_columns(dataset: Dataset) -> list[str]:
    """Names of the columns that hold strings; a part of a structured column is written ``translation.en``."""
    from datasets import Translation, Value

    names = []
    for name, kind in dataset.features.items():
        if isinstance(kind, Value) and kind.dtype in ("string", "large_string"):
            names.append(name)
        elif isinstance(kind, Translation):
            names += [f"{name}.{language}" for language in kind.languages]
        elif isinstance(kind, dict):
            strings = [part for part, value in kind.items() if getattr(value, "dtype", None) == "string"]
            names += [f"{name}.{part}" for part in strings]
    return names


def find_column(dataset: Dataset, role: str, given: Mapping[str, str] | None, *, task: str) -> str:
    """The column of texts that plays a role: the one named, the one of the role's name, or the only one.

    Raises:
        DataError: It is missing, holds no strings, or is one of several.
    """
    names = text_columns(dataset)
    wanted = (given or {}).get(role)
    if wanted is not None:
        matching = [name for name in names if name == wanted or name.partition(".")[2] == wanted]
        if len(matching) != 1:
            raise DataError(f"the data has no column {wanted!r} of texts.{did_you_mean(wanted, names)}")
        return matching[0]
    if role in names:
        return role
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"{task} needs a column for {role!r}, and the data has the columns of texts {', '.join(names) or '(none)'}; "
        f"name one with columns={{{role!r}: …}}"
    )


def check_roles(given: Mapping[str, str] | None, roles: Sequence[str], *, task: str) -> None:
    """Refuse a role that the task has not.

    Raises:
        DataError: Names it and the nearest that exists.
    """
    for role in given or {}:
        if role not in roles:
            raise DataError(f"{task} has no role {role!r}, only {', '.join(roles)}.{did_you_mean(role, roles)}")


def column_texts(dataset: Dataset, column: str) -> list[str]:
    """The texts of a column, an empty one where a row has none."""
    outer, _, inner = column.partition(".")
    values = dataset.with_format(None)[outer] if column not in dataset.features else dataset.with_format(None)[column]
    if inner and column not in dataset.features:
        values = [(value or {}).get(inner) for value in values]
    return [value or "" for value in values]
