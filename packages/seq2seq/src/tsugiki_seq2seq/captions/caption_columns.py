"""Columns of pictures with captions: one column a caption (``caption_0``, ``caption_1``, …) or one of lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tsugiki.columns import (
    PICTURE_COLUMN,
    ColumnKind,
    Role,
    find_column,
    is_list_of_texts,
    is_text,
    named_column,
    read_column,
    refuse_shared_columns,
)
from tsugiki.errors import DataError, did_you_mean
from tsugiki.plain_text import plain_text

if TYPE_CHECKING:
    from datasets import Dataset

IMAGE, CAPTION = "image", "caption"
_ROLE = re.compile(r"caption(_\d+)?\Z")
IMAGE_COLUMN = replace(PICTURE_COLUMN, wanted="images", accepts=None)  # file names could be captions
CAPTION_COLUMN = ColumnKind(
    "captions",
    "strings, or lists of strings",
    "texts or of lists of texts",
    lambda feature: is_text(feature) or is_list_of_texts(feature),
)
_USUAL = re.compile(r"(captions?|sentences?)(_?\d+)?\Z", re.IGNORECASE)


def find_columns(dataset: Dataset, given: Mapping[str, str] | None, *, task: str) -> dict[str, str]:
    """Column by role: ``image``, and ``caption`` or ``caption_0``, ``caption_1``, ….

    Args:
        dataset: The data.
        given: Roles that the user named.
        task: How an error calls the task.

    Raises:
        DataError: A column is missing, of the wrong type, or one of several.
    """
    given = dict(given or {})
    for role in given:
        if role != IMAGE and not _ROLE.match(role):
            raise DataError(
                f"{task} has no role {role!r}, only image and caption, or caption_0, caption_1, …."
                f"{did_you_mean(role, (IMAGE, CAPTION))}"
            )
    picture = find_column(dataset, IMAGE, Role(IMAGE_COLUMN, (IMAGE,)), given)
    given.pop(IMAGE, None)
    found = {IMAGE: picture, **_caption_columns(dataset, given, task)}
    refuse_shared_columns(found)
    return found


def _caption_columns(dataset: Dataset, given: Mapping[str, str], task: str) -> dict[str, str]:
    texts = Role(CAPTION_COLUMN).candidates(dataset)
    if given:
        for role, column in given.items():
            CAPTION_COLUMN.check(dataset, role, named_column(dataset, column))
        return dict(sorted(given.items()))
    usual = [name for name in texts if _USUAL.match(name)]
    found = usual or (texts if len(texts) == 1 else [])
    if not found:
        raise DataError(
            f"{task} needs columns of captions, and the data has the columns of texts {', '.join(texts) or '(none)'}; "
            "name them with columns={'caption_0': …}"
        )
    return {CAPTION: found[0]} if len(found) == 1 else {f"{CAPTION}_{n}": name for n, name in enumerate(found)}


def caption_lists(dataset: Dataset, columns: Mapping[str, str]) -> Iterator[list[str]]:
    """The captions of each row that are not empty, as `plain_text` has them.

    Args:
        dataset: The data.
        columns: Column by role, as `find_columns` gives them.
    """
    names = [column for role, column in columns.items() if role != IMAGE]
    for row in zip(*(read_column(dataset, name) for name in names), strict=True):
        texts = [text for value in row for text in (value if isinstance(value, list) else [value])]
        yield [plain for text in texts if text and (plain := plain_text(text))]
