"""Columns of a data set: which one plays which role, found by what it holds, and how texts and classes are read.

A task names its roles and the kind of column that each needs. A column is the one that the user named; else, among
those of the kind, one with a usual name; else the only one. Everything is met here, at the border, with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import DataError, did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset

STRINGS = ("string", "large_string", "string_view")
LABEL_COLUMNS = ("label", "labels", "class", "target")  # taken for labels although they are plain strings or integers
GROUP = "group"  # the role, of every task's data, of the column that says which rows belong together
TEXT_COLUMNS = ("text", "sentence", "document", "content", "review")  # taken first where several hold strings


@dataclass(frozen=True)
class ColumnKind:
    """What a column can hold.

    Attributes:
        things: What it holds, for messages.
        types: Which types of column are taken by themselves, for messages.
        wanted: What to name in place of a column of another kind, for messages.
        holds: Whether a column of this feature is taken by itself.
        accepts: Whether the user may name one; by default those that are taken by themselves.
        parts: Whether the parts of structured columns count too, such as ``translation.en``.
    """

    things: str
    types: str
    wanted: str
    holds: Callable[[Any], bool]
    accepts: Callable[[Any], bool] | None = None
    parts: bool = False

    def columns(self, dataset: Dataset) -> list[str]:
        """Names of the columns that are taken by themselves."""
        return [name for name, feature in _features(dataset, parts=self.parts).items() if self.holds(feature)]

    def check(self, dataset: Dataset, role: str, column: str) -> None:
        """Refuse a column that cannot be read as this kind.

        Raises:
            DataError: Says what it holds and what to name.
        """
        feature = _features(dataset, parts=self.parts)[column]
        if not (self.accepts or self.holds)(feature):
            raise DataError(
                f"column {column!r} holds {kind_of(feature)}, not {self.things}; name a column of {self.wanted} with "
                f"columns={{{role!r}: …}}, out of {', '.join(dataset.features)}"
            )


@dataclass(frozen=True)
class Role:
    """What a task needs of one column.

    Attributes:
        kind: What the column holds.
        usual: Names that are taken first where several hold that, best first.
    """

    kind: ColumnKind
    usual: tuple[str, ...] = ()

    def candidates(self, dataset: Dataset, taken: Collection[str] = ()) -> list[str]:
        """The columns that may play it without being named: the first with a usual name, or all that hold its kind.

        Args:
            dataset: The data.
            taken: Columns that play other roles. One with a usual name of labels is none either: a text that is its
                own label teaches nothing.
        """
        found = [
            name
            for name in self.kind.columns(dataset)
            if name not in taken and (name not in LABEL_COLUMNS or name in self.usual)
        ]
        usual = [name for name in self.usual if name in found]
        return usual[:1] or found


def find_columns(
    dataset: Dataset, roles: Mapping[str, Role], given: Mapping[str, str] | None, *, task: str
) -> dict[str, str]:
    """The column of each role.

    Args:
        dataset: The data.
        roles: What each needs.
        given: Columns by role, as the user named them; a part of a structured column by its own name or with the
            column's, ``en`` or ``translation.en``.
        task: How a message calls the task.

    Raises:
        DataError: A role is unknown; a column is missing, of the wrong kind, one of several, or plays two roles.
    """
    check_roles(given, roles, task=task)
    named = {
        role: named_column(dataset, column, parts=roles[role].kind.parts) for role, column in (given or {}).items()
    }
    found: dict[str, str] = {}
    for role, needed in roles.items():
        taken = [column for other, column in named.items() if other != role]
        found[role] = find_column(dataset, role, needed, given, taken=taken)
    refuse_shared_columns(found)
    return found


def refuse_shared_columns(columns: Mapping[str, str]) -> None:
    """Refuse columns by role of which two are one: a text that is its own label, or a source its own target.

    Raises:
        DataError: Names both roles.
    """
    roles: dict[str, str] = {}
    for role, column in columns.items():
        if (other := roles.setdefault(column, role)) != role:
            raise DataError(f"{other} and {role} are the same column {column!r}; name two with columns=")


def find_column(
    dataset: Dataset,
    role: str,
    needed: Role,
    given: Mapping[str, str] | None = None,
    *,
    taken: Collection[str] = (),
) -> str:
    """The column of one role, none of those that are taken by others unless it is named; see `find_columns`."""
    if (named := (given or {}).get(role)) is not None:
        column = named_column(dataset, named, parts=needed.kind.parts)
        needed.kind.check(dataset, role, column)
        return column
    kind = f"of {needed.kind.things} ({needed.kind.types})"
    return the_only_one(needed.candidates(dataset, taken), kind, role, dataset)


def check_roles(given: Mapping[str, str] | None, roles: Iterable[str], *, task: str) -> None:
    """Refuse a role that the task has not.

    Raises:
        DataError: Names it and the nearest that exists.
    """
    known = list(roles)
    for role in given or {}:
        if role not in known:
            shown = " and ".join(part for part in (", ".join(known[:-1]), known[-1]) if part)
            raise DataError(f"{task} has no role {role!r}, only {shown}.{did_you_mean(role, known)}")


def named_column(dataset: Dataset, name: str, *, parts: bool = False) -> str:
    """The column that a user named, in full.

    Raises:
        DataError: There is none; suggests the nearest.
    """
    names = list(_features(dataset, parts=parts))
    matching = [name] if name in names else [one for one in names if parts and one.partition(".")[2] == name]
    if len(matching) != 1:
        raise DataError(f"the data has no column {name!r}, only {', '.join(names)}.{did_you_mean(name, names)}")
    return matching[0]


def the_only_one(found: Sequence[str], kind: str, role: str, dataset: Dataset) -> str:
    """The one column that was found.

    Raises:
        DataError: There is none, or several; asks for a choice.
    """
    if len(found) == 1:
        return found[0]
    what = f"several columns {kind}: {', '.join(found)}" if found else f"no column {kind}"
    raise DataError(
        f"the data has {what}; name the one to use with columns={{{role!r}: …}}, out of {', '.join(dataset.features)}"
    )


def check_rows(dataset: Dataset) -> None:
    """Refuse data without rows.

    Raises:
        DataError: There are none.
    """
    if len(dataset) == 0:
        raise DataError("the data has no rows")


def read_column(dataset: Dataset, column: str) -> list[Any]:
    """The plain values of a column, or of a part of one; None where a row has none."""
    plain = dataset.with_format(None)
    if column in dataset.features:
        return list(plain[column])
    outer, _, inner = column.partition(".")
    return [(value or {}).get(inner) for value in plain[outer]]


def read_texts(dataset: Dataset, column: str) -> list[str]:
    """The texts of a column.

    Raises:
        DataError: There are no rows, or one has no text; an empty text is one.
    """
    check_rows(dataset)
    texts = read_column(dataset, column)
    refuse_missing([row for row, text in enumerate(texts) if text is None], len(texts), "text", column)
    return texts


def refuse_missing(rows: Sequence[int], of: int, what: str, column: str, advice: str = "fill them") -> None:
    """Refuse rows that have nothing in a column, if there are some.

    Args:
        rows: Their numbers, from 0.
        of: Of how many rows.
        what: What they have not.
        column: Where.
        advice: What else than removing the rows helps.

    Raises:
        DataError: Says how many there are and which is the first.
    """
    if len(rows):
        have = "has" if len(rows) == 1 else "have"
        raise DataError(
            f"{len(rows):,} of {of:,} rows {have} no {what} in column {column!r}, the first is row {rows[0]}; remove "
            f"them or {advice}"
        )


def is_text(feature: Any) -> bool:
    """Whether a column holds strings."""
    from datasets import Value

    return isinstance(feature, Value) and feature.dtype in STRINGS


def is_list_of_texts(feature: Any) -> bool:
    """Whether a column holds lists of strings."""
    return is_text(item_of(feature))


def item_of(feature: Any) -> Any:
    """The feature of a list's items; None where a column holds no lists."""
    return feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)


def is_encoded_media(feature: Any) -> bool:
    """Whether a column holds what `datasets` can cast to media: records of bytes and path, file names, or bytes."""
    from datasets import Value

    is_value = isinstance(feature, Value) and feature.dtype in (*STRINGS, "binary", "large_binary")
    return is_value or _is_media_record(feature)


def kind_of(feature: Any) -> str:
    """What a column holds, for a message: `float64`, `List`, `Audio`, …"""
    return str(feature.dtype) if type(feature).__name__ == "Value" else type(feature).__name__


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Names in quotes, separated by commas; from `limit` on only their number."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _is_media_record(feature: Any) -> bool:
    return isinstance(feature, dict) and set(feature) == {"bytes", "path"}


def _features(dataset: Dataset, *, parts: bool) -> dict[str, Any]:
    """Features by column, with `parts` those of structured columns besides, such as ``translation.en``."""
    from datasets import Translation, Value

    found: dict[str, Any] = {}
    for name, feature in dataset.features.items():
        found[name] = feature
        if parts and isinstance(feature, Translation):
            found |= {f"{name}.{language}": Value("string") for language in feature.languages}
        elif parts and isinstance(feature, dict) and not _is_media_record(feature):
            found |= {f"{name}.{part}": value for part, value in feature.items()}
    return found


def _is_picture(feature: Any) -> bool:
    from datasets import Image

    return isinstance(feature, Image)


def _is_recording(feature: Any) -> bool:
    from datasets import Audio

    return isinstance(feature, Audio)


def _is_clip(feature: Any) -> bool:
    from datasets import Array3D, Array4D, Image

    return isinstance(feature, Array3D | Array4D | Image) or _is_picture(item_of(feature))


PICTURE_COLUMN = ColumnKind(
    "pictures",
    "datasets.Image",
    "images, encoded bytes or file names",
    _is_picture,
    lambda feature: _is_picture(feature) or is_encoded_media(feature),
)
RECORDING_COLUMN = ColumnKind(
    "recordings",
    "datasets.Audio",
    "audio, encoded bytes or file names",
    _is_recording,
    lambda feature: _is_recording(feature) or is_encoded_media(feature),
)
CLIP_COLUMN = ColumnKind(
    "clips",
    "datasets.Array3D, Array4D, or a list of Image",
    "arrays (T, H, W) or of lists of images",
    _is_clip,
)
TEXT_COLUMN = ColumnKind("texts", "strings", "strings", is_text, parts=True)
TEXT_LIST_COLUMN = ColumnKind("lists of texts", "lists of strings", "lists of strings", is_list_of_texts)
