"""Data with labels wherever they stand: in a folder of a known format, or in the Hub's column ``objects``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsugiki.errors import DataError, OptionError

from .annotation import FLAGS, MASKS, annotated_pictures, objects_type
from .coco import read_coco
from .labelled_folder import LabelledFolder, ParsedLabels
from .landmark_tables import read_landmarks
from .mask_folders import read_masks
from .voc import read_voc
from .yolo import read_yolo

if TYPE_CHECKING:
    from datasets import Dataset

READERS = {"coco": read_coco, "voc": read_voc, "yolo": read_yolo, "masks": read_masks, "landmarks": read_landmarks}
OBJECTS = "objects"  # how the format is called that is none of files


def read_annotations(source: str | Path, *, format_name: str | None = None, skip_bad: bool = False) -> LabelledFolder:
    """Labels of a folder in any format, or of data with the column ``objects``.

    Args:
        source: A folder, or the name of data as `tsugiki.data.load_data.load_split` takes it.
        format_name: Of `READERS`, or ``objects``; None finds it.
        skip_bad: Leave out the boxes and pictures that something is wrong with, and count them.

    Raises:
        OptionError: There is no such format.
        DataError: The folder is in no known format, or in several, or the data has no objects.
    """
    if format_name not in (None, OBJECTS, *READERS):
        raise OptionError(f"unknown format {format_name!r}, only {', '.join([*READERS, OBJECTS])}")
    folder = Path(source)
    if format_name != OBJECTS and folder.is_dir():
        chosen = READERS if format_name is None else {format_name: READERS[format_name]}
        read = {name: found for name, reader in chosen.items() if (found := reader(folder, skip_bad=skip_bad))}
        if len(read) > 1:
            raise DataError(f"{folder} is {' and '.join(read)}; say which with --format")
        if read:
            return next(iter(read.values()))
    if format_name not in (None, OBJECTS):
        raise DataError(f"{source} is no folder in the format {format_name}; leave the format out to have it found")
    return _objects_of(source, skip_bad=skip_bad)


def _objects_of(source: str | Path, *, skip_bad: bool) -> LabelledFolder:
    from tsugiki.data.load_data import load_split, splits

    names = splits(source)
    data = {name: load_split(source, name) for name in names} or {"train": load_split(source, None)}
    return LabelledFolder(
        Path(source), lambda: parse_objects(data), skip_bad=skip_bad, format_name=OBJECTS, left_out={}
    )


def parse_objects(data: Mapping[str, Dataset]) -> ParsedLabels:
    """The rows of data with the column ``objects``, as labels that can be checked.

    Raises:
        DataError: The data has no such column.
    """
    from datasets import Image

    parsed = ParsedLabels({}, None)
    features: Mapping[str, Any] = next(iter(data.values())).features
    said = objects_type(features)
    parsed.flags = tuple(flag for flag in FLAGS if flag in said)
    parsed.outlines = "segmentation" in said and isinstance(getattr(said["segmentation"], "feature", None), Mapping)
    for split, dataset in data.items():
        pictures = [replace(picture, size=None) for picture in annotated_pictures(dataset, named=split)]
        parsed.splits[split] = pictures
        for picture in pictures:
            parsed.features |= {name: features[name] for name in picture.columns}
    names = getattr(getattr(said["category"], "feature", None), "names", None)
    every = [picture for of_split in parsed.splits.values() for picture in of_split]
    used = {one.category for picture in every for one in picture.annotations}
    parsed.classes = names or sorted(
        used, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)
    )
    for name in MASKS:
        if name in parsed.features:
            parsed.features[name] = Image()
    return parsed
