"""Labels of instance segmentation: one number for each pixel that says its object and the object's class.

As panoptic segmentation has it (Kirillov et al. 2019, section 3.1; Panoptic-DeepLab's ``label_divisor``), the k-th
object of a picture with the class c has the number ``c * LABEL_DIVISOR + k``, k from 1; 0 is the background and -100
asks for nothing. Where there is one class, the numbers are those of the objects. As float32 they are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.columns import listed
from tsugiki.errors import DataError
from tsugiki.tensor_table import IGNORED

from .masks import OBJECT, MaskColumn, Numbers, as_processed, categories_in, categories_of, of_the_same_size

LABEL_DIVISOR = 2**16
MOST_CLASSES = 254  # beside the background: class numbers of pixels have 8 bits, 255 is none
_FLAGS = ("iscrowd", "difficult")  # of objects that are there to be ignored


def object_numbers(labels: Tensor) -> Tensor:
    """The number of each pixel's object, 0 where there is none or nothing is asked, int64 as labels (...)."""
    return labels.long().clamp(min=0) % LABEL_DIVISOR


def class_numbers(labels: Tensor, background: int) -> Tensor:
    """The class of each pixel, that of the background where there is no object, -100 where nothing is asked; int64."""
    labels = labels.long()
    classes = torch.where(labels > 0, labels // LABEL_DIVISOR, background)
    return torch.where(labels == IGNORED, IGNORED, classes)


def object_names(masks: MaskColumn) -> list[str]:
    """Names of the classes of objects: those of the column of objects, or `object` where there is none.

    Raises:
        DataError: There are none, or more than 254.
    """
    if masks.objects is None:
        return [OBJECT]
    names = list(categories_of(masks.dataset.features[masks.objects]).names)
    if not 0 < len(names) <= MOST_CLASSES:
        raise DataError(f"column {masks.objects!r} names {len(names)} classes; from 1 to {MOST_CLASSES} can be learnt")
    return names


def decode_objects(masks: MaskColumn, names: Sequence[str], pictures: str, processor: object) -> Tensor:
    """The objects as the processor sees pictures, masks resized by the nearest pixel.

    Args:
        masks: What to read; their numbers are those of objects.
        names: Classes of objects by number.
        pictures: The column of pictures that they belong to.
        processor: Of these.

    Returns:
        Labels int32 (N, H, W), see the module. Objects that are marked as crowd or difficult, or have no category, ask
        for nothing.

    Raises:
        DataError: A mask cannot be read, has another size than its picture, or numbers an object that is not there; or
            a class is unknown.
    """
    tables = _tables(masks, names)
    highest = 0

    def byte(shift: int) -> Iterator[NDArray[np.uint8]]:
        nonlocal highest
        for numbers in of_the_same_size(masks, pictures, _checked(masks, tables)):
            highest = max(highest, int(numbers.max(initial=0)))
            yield (numbers >> shift & 255).astype(np.uint8)

    numbers = as_processed(byte(0), processor).int()  # a processor takes pictures of 8 bits
    if highest > 255:
        numbers |= as_processed(byte(8), processor).int() << 8
    if tables is not None:
        for row, table in enumerate(tables):
            numbers[row] = torch.from_numpy(table)[numbers[row].long()]
    return numbers


def _tables(masks: MaskColumn, names: Sequence[str]) -> list[NDArray[np.int32]] | None:
    """The label of each number, row by row; None where the numbers are the labels."""
    if masks.objects is None:
        return None
    own = object_names(masks)
    if unknown := [name for name in own if name not in names]:
        raise DataError(
            f"{listed(unknown)} of column {masks.objects!r} is unknown to the model, which finds {listed(names)}"
        )
    classes = [list(names).index(name) for name in own]
    tables = []
    for record in masks.dataset.select_columns([masks.objects]).with_format(None):
        objects = record[masks.objects]
        left_out = _ignored(objects)
        table = [0]
        for number, category in enumerate(categories_in(objects), 1):
            known = category is not None and category >= 0 and not left_out[number - 1]
            table.append(classes[category] * LABEL_DIVISOR + number if known else IGNORED)  # type: ignore[index]
        tables.append(np.array(table, np.int32))
    return tables


def _ignored(objects: object) -> list[bool]:
    count = len(categories_in(objects))
    found = [False] * count
    for flag in _FLAGS:
        if isinstance(objects, dict):
            marks = objects.get(flag) or [False] * count
        else:
            marks = [one.get(flag) for one in objects or ()]  # type: ignore[attr-defined]
        found = [one or bool(mark) for one, mark in zip(found, marks, strict=True)]
    return found


def _checked(masks: MaskColumn, tables: list[NDArray[np.int32]] | None) -> Iterator[Numbers]:
    for row, numbers in masks.numbers():
        highest = int(numbers.max(initial=0))
        if tables is not None and highest >= len(tables[row]):
            raise DataError(
                f"row {row}: the mask in column {masks.mask!r} holds the number {highest}, and column "
                f"{masks.objects!r} has {len(tables[row]) - 1} objects"
            )
        yield numbers
