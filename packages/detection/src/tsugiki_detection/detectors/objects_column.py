"""The column of boxes as the Hub's data sets have it: for each picture lists of boxes and of their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.columns import ColumnKind, item_of
from tsugiki.errors import DataError
from tsugiki.images import upright_size

if TYPE_CHECKING:
    from datasets import Dataset

BOXES = "bbox"
CLASSES = ("category", "categories", "label", "labels", "class")
OUTSIDE = 1.0  # pixels by which a box may reach over the border; it is cut there
_SHOWN = 5  # faults that one message names


@dataclass(frozen=True)
class ObjectRow:
    """The objects of one picture.

    Attributes:
        width: Of the picture, upright, in pixels.
        height: Likewise.
        boxes: Left, top, width, height (M, 4), within the picture.
        classes: Numbers of the model's classes (M,).
        areas: In pixels (M,).
        ignored: Which are there to be ignored, bool (M,).
    """

    width: int
    height: int
    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    areas: NDArray[np.float64]
    ignored: NDArray[np.bool_]


def _parts(feature: Any) -> dict[str, Any]:
    """The features of an objects column's parts: a mapping of lists, or a list of mappings."""
    inner = item_of(feature)
    if isinstance(inner, Mapping):
        return dict(inner)
    if isinstance(feature, Mapping):
        return {name: item_of(part) for name, part in feature.items()}
    return {}


def _holds_objects(feature: Any) -> bool:
    parts = _parts(feature)
    return BOXES in parts and any(name in parts for name in CLASSES)


OBJECTS_COLUMN = ColumnKind(
    "boxes with classes",
    f"a record of lists, {BOXES} and {' or '.join(CLASSES[:2])} among them",
    "such records",
    _holds_objects,
)


def class_names(dataset: Dataset, column: str) -> list[str]:
    """Names of the classes: as the feature has them, else as the rows do, sorted.

    Raises:
        DataError: The classes are numbers without names, or there is no box at all.
    """
    part, feature = _class_part(dataset, column)
    if hasattr(feature, "names"):
        return list(feature.names)
    values = {value for row in _rows(dataset, column) for value in row[part]}
    if not values:
        raise DataError(f"column {column!r} holds no box")
    return sorted(str(value) for value in values)


def read_objects(dataset: Dataset, image: str, column: str, names: Sequence[str]) -> list[ObjectRow]:
    """The objects of every picture, checked.

    Args:
        dataset: The data.
        image: Column of pictures.
        column: Column of their objects.
        names: The model's classes, by number.

    Raises:
        DataError: Names the first rows at fault, and says how many there are: a box that is no box, that lies outside
            of its picture, or whose class the model does not know.
    """
    part, feature = _class_part(dataset, column)
    own = getattr(feature, "names", None)
    numbers = {name: number for number, name in enumerate(names)}
    found, faults = [], []
    sizes = upright_sizes(dataset, image)
    for number, (row, (width, height)) in enumerate(zip(_rows(dataset, column), sizes, strict=True)):
        labels = [own[value] if own is not None and isinstance(value, int) else str(value) for value in row[part]]
        boxes = np.asarray(row[BOXES], np.float64).reshape(-1, 4) if len(row[BOXES]) else np.zeros((0, 4))
        if len(boxes) != len(labels):
            faults.append(f"row {number} has {len(boxes)} boxes and {len(labels)} classes")
            continue
        faults += [f"row {number}, box {one}: {why}" for one, why in box_faults(boxes, width, height)]
        faults += [
            f"row {number}, box {one}: the class {label!r} is none of the model's"
            for one, label in enumerate(labels)
            if label not in numbers
        ]
        if faults:
            continue
        boxes = cut(boxes, width, height)
        areas = np.asarray(row.get("area") or boxes[:, 2] * boxes[:, 3], np.float64)
        ignored = np.zeros(len(boxes), bool)
        for flag in ("iscrowd", "difficult"):
            if row.get(flag):
                ignored |= np.asarray(row[flag], bool)
        classes = np.asarray([numbers[label] for label in labels], np.int64)
        found.append(ObjectRow(width, height, boxes, classes, areas, ignored))
    if faults:
        more = f"; {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DataError(f"column {column!r}: {'; '.join(faults[:_SHOWN])}{more}")
    return found


def box_faults(boxes: NDArray[np.float64], width: int, height: int) -> list[tuple[int, str]]:
    """Number and fault of each box (M, 4), as left, top, width, height, that is none within the picture."""
    found = []
    for number, (left, top, wide, high) in enumerate(boxes.tolist()):
        shown = f"[{left:g}, {top:g}, {wide:g}, {high:g}]"
        if not np.isfinite([left, top, wide, high]).all():
            found.append((number, f"{shown} is no box of finite numbers"))
        elif wide <= 0 or high <= 0:
            found.append((number, f"{shown} has no width or no height (as x, y, width, height)"))
        elif min(left, top) < -OUTSIDE or left + wide > width + OUTSIDE or top + high > height + OUTSIDE:
            found.append(
                (number, f"{shown} (x, y, width, height) reaches out of the picture of {width} x {height} pixels")
            )
    return found


def cut(boxes: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Boxes (M, 4), as left, top, width, height, cut at the borders of their picture."""
    low = boxes[:, :2].clip(0, [width, height])
    high = (boxes[:, :2] + boxes[:, 2:]).clip(0, [width, height])
    return np.concatenate([low, high - low], 1)


def upright_sizes(dataset: Dataset, column: str) -> list[tuple[int, int]]:
    """Width and height of each picture of a column, as `tsugiki.images.open_image` gives them.

    Raises:
        DataError: One has no header that says it.
    """
    from datasets import Image as ImageFeature

    encoded = dataset.select_columns([column]).cast_column(column, ImageFeature(decode=False))
    return [upright_size(source, name=f"row {row}") for row, source in enumerate(encoded[column])]


def _class_part(dataset: Dataset, column: str) -> tuple[str, Any]:
    """Name and feature of the part that holds the classes."""
    parts = _parts(dataset.features[column])
    part = next(name for name in CLASSES if name in parts)
    return part, parts[part]


def _rows(dataset: Dataset, column: str) -> list[dict[str, Any]]:
    """The objects of each row as a mapping of lists."""
    rows = []
    for value in dataset.with_format(None)[column]:
        if value is None:
            value = {}
        if isinstance(value, list):
            value = {name: [one[name] for one in value] for name in (value[0] if value else {})}
        rows.append({name: part or [] for name, part in value.items()} if value else _empty(dataset, column))
    return rows


def _empty(dataset: Dataset, column: str) -> dict[str, Any]:
    return {name: [] for name in _parts(dataset.features[column])}
