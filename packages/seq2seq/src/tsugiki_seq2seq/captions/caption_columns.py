"""Columns of pictures with captions: one column a caption (``caption_0``, ``caption_1``, …) or one of lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tsugiki.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset

IMAGE, CAPTION = "image", "caption"
_ROLE = re.compile(r"caption(_\d+)?\Z")
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
    for column in given.values():
        if column not in dataset.features:
            raise DataError(f"the data has no column {column!r}.{did_you_mean(column, list(dataset.features))}")
    return {IMAGE: _image_column(dataset, given.pop(IMAGE, None), task), **_caption_columns(dataset, given, task)}


def _image_column(dataset: Dataset, given: str | None, task: str) -> str:
    from datasets import Image

    found = [name for name, kind in dataset.features.items() if isinstance(kind, Image)]
    if given is not None:
        if given not in found:
            raise DataError(f"column {given!r} holds no pictures; name one of datasets.Image with columns=")
        return given
    if IMAGE in found or len(found) == 1:
        return IMAGE if IMAGE in found else found[0]
    raise DataError(
        f"{task} needs one column of pictures (datasets.Image), and the data has {', '.join(found) or 'none'}; name "
        "one with columns={'image': …}"
    )


def _caption_columns(dataset: Dataset, given: Mapping[str, str], task: str) -> dict[str, str]:
    texts = [name for name, kind in dataset.features.items() if _holds_texts(kind)]
    if given:
        for column in given.values():
            if column not in texts:
                raise DataError(f"column {column!r} holds no captions; name columns of texts or of lists of texts")
        return dict(sorted(given.items()))
    usual = [name for name in texts if _USUAL.match(name)]
    found = usual or (texts if len(texts) == 1 else [])
    if not found:
        raise DataError(
            f"{task} needs columns of captions, and the data has the columns of texts {', '.join(texts) or '(none)'}; "
            "name them with columns={'caption_0': …}"
        )
    return {CAPTION: found[0]} if len(found) == 1 else {f"{CAPTION}_{n}": name for n, name in enumerate(found)}


def _holds_texts(kind: Any) -> bool:
    inner = getattr(kind, "feature", kind)  # of a list
    return getattr(inner, "dtype", None) in ("string", "large_string")


def caption_lists(dataset: Dataset, columns: Mapping[str, str]) -> Iterator[list[str]]:
    """The captions of each row that are not empty.

    Args:
        dataset: The data.
        columns: Column by role, as `find_columns` gives them.
    """
    names = [column for role, column in columns.items() if role != IMAGE]
    plain = dataset.with_format(None)
    for row in zip(*(plain[name][:] for name in names), strict=True):
        texts = [text for value in row for text in (value if isinstance(value, list) else [value])]
        yield [text for text in texts if text and text.strip()]
