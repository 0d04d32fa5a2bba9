"""Data with objects as YOLO's text files, with the pictures beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from .annotation import Annotation, Size
from .outlines import polygon_box, single_polygon
from .picture_files import PictureFiles
from .writers import Losses, names_of, number, rows, written_splits

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

_DIGITS = 10  # of a fraction, so that a box of a picture of 100,000 pixels keeps its place
_SAME = 1e-3  # pixels between a box and that of its outline


def write_yolo(data: Dataset | DatasetDict, folder: Path) -> list[str]:
    """Write ``images/SPLIT/``, ``labels/SPLIT/`` and ``data.yaml``.

    An object with an outline is written as one polygon, where the box around that is its box; any other as a box.
    Crowds are left out, for they would be taken for single objects.

    Args:
        data: With the columns ``image`` and ``objects``.
        folder: An empty folder.

    Returns:
        Lines on what the format cannot hold.

    Raises:
        DataError: The data has no such columns, or its classes have no names.
    """
    splits = written_splits(data)
    names = names_of(splits)
    numbers = {name: index for index, name in enumerate(names)}
    files, losses = PictureFiles(), Losses()
    for split, dataset in splits.items():
        labels = folder / "labels" / split
        labels.mkdir(parents=True)
        for picture in rows(dataset, split, outlines=True):
            assert picture.size is not None
            path = files.write(picture, folder / "images" / split)
            lines = []
            for one in picture.annotations:
                if one.iscrowd:
                    losses.add("YOLO's format has no crowds: {} are left out")
                    continue
                if one.difficult:
                    losses.add("YOLO's format cannot call an object difficult: {} are written as any other")
                lines.append(f"{numbers[one.category]} {_values(one, picture.size, losses)}\n")
            (labels / f"{path.stem}.txt").write_text("".join(lines), "utf-8")
    table = {**{split: f"images/{split}" for split in splits}, "names": dict(enumerate(names))}
    (folder / "data.yaml").write_text(yaml.safe_dump(table, sort_keys=False, allow_unicode=True), "utf-8")
    return losses.notes


def _values(one: Annotation, size: Size, losses: Losses) -> str:
    """What follows the class of an object in its line."""
    width, height = size
    x, y, w, h = one.box
    if one.outline is not None:
        polygon = single_polygon(one.outline, height, width)
        around = polygon_box([polygon]) if polygon else (x, y, 0, 0)
        inside = all(0 <= value <= side for index in (0, 1) for side in (size[index],) for value in polygon[index::2])
        if inside and max(abs(value - of_box) for value, of_box in zip(around, one.box, strict=True)) < _SAME:
            return " ".join(str(number(value / size[index % 2], _DIGITS)) for index, value in enumerate(polygon))
        losses.add("YOLO's format has a polygon or a box, not both: {} objects keep only their boxes")
    values = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return " ".join(str(number(value, _DIGITS)) for value in values)
