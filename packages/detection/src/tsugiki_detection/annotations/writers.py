"""What all writers of labels share: the rows of data, the numbers of text files, and what a format cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from tsugiki.errors import DataError

from .annotation import AnnotatedPicture, annotated_pictures, class_names
from .checker import measure
from .label_images import with_outlines

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SPLIT_FOLDERS = {"validation": "val"}  # what programs call the splits of data


def written_splits(data: Dataset | DatasetDict) -> Mapping[str, Dataset]:
    """Data by the names that splits have in files; data without splits is ``train``."""
    splits = data if isinstance(data, Mapping) else {"train": data}
    return {SPLIT_FOLDERS.get(name, name): split for name, split in splits.items()}


def names_of(splits: Mapping[str, Dataset]) -> list[str]:
    """The names of the classes, which all splits have.

    Raises:
        DataError: Splits have other classes than the first, or there is no split.
    """
    found = {name: class_names(split.features) for name, split in splits.items()}
    if not found:
        raise DataError("the data has no split to write")
    first = next(iter(found))
    for name, classes in found.items():
        if classes != found[first]:
            raise DataError(f"the classes of {name} are not those of {first}: {', '.join(classes)}")
    return found[first]


def rows(dataset: Dataset, split: str, *, outlines: bool) -> Iterator[AnnotatedPicture]:
    """The pictures of a split, measured.

    Args:
        dataset: The split.
        split: Its name.
        outlines: Whether outlines are made from a column of masks.

    Raises:
        DataError: A picture does not open, or its mask is not that of its objects.
    """
    for picture in annotated_pictures(dataset, named=split):
        if (fault := measure(picture)) is not None:
            raise DataError(str(fault))
        if outlines:
            try:
                with_outlines(picture)
            except ValueError as error:
                raise DataError(f"{picture.place}: {error}") from error
        yield picture


def number(value: float, digits: int = 9) -> int | float:
    """A number as files have it: whole ones without a point, others as float32 holds them."""
    if float(value).is_integer():
        return int(value)
    return float(f"{value:.{digits}g}") if digits > 9 else float(str(np.float32(value)))


class Losses:
    """What a format cannot hold, counted by what it is."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, text: str, count: int = 1) -> None:
        """Count something; ``text`` has {} where the count goes."""
        self._counts[text] += count

    @property
    def notes(self) -> list[str]:
        """A line for each."""
        return [text.format(f"{count:,}") for text, count in self._counts.items()]
