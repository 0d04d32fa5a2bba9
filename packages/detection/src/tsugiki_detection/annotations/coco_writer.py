"""Data with objects as COCO's JSON, with the pictures beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .annotation import Outline
from .picture_files import PictureFiles
from .writers import names_of, number, rows, written_splits

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def write_coco(data: Dataset | DatasetDict, folder: Path) -> list[str]:
    """Write ``annotations/instances_SPLIT.json`` and the pictures in folders called after the splits.

    COCO's format holds all that the data says. Where objects are `difficult`, they have a key of that name.

    Args:
        data: With the columns ``image`` and ``objects``.
        folder: An empty folder.

    Returns:
        Lines on what was lost: none.

    Raises:
        DataError: The data has no such columns, or its classes have no names.
    """
    splits = written_splits(data)
    names = names_of(splits)
    numbers = {name: index for index, name in enumerate(names, 1)}
    files = PictureFiles()
    annotations_folder = folder / "annotations"
    annotations_folder.mkdir(parents=True)
    for split, dataset in splits.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        with_difficult = "difficult" in dataset.features["objects"]
        for image_id, picture in enumerate(rows(dataset, split, outlines=True), 1):
            assert picture.size is not None
            width, height = picture.size
            name = files.write(picture, folder / split).name
            images.append({"id": image_id, "file_name": name, "width": width, "height": height})
            for one in picture.annotations:
                annotation: dict[str, Any] = {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": numbers[one.category],
                    "bbox": [number(value) for value in one.box],
                    "area": number(one.box[2] * one.box[3] if one.area is None else one.area),
                    "iscrowd": int(one.iscrowd),
                }
                if one.outline is not None:
                    annotation["segmentation"] = _segmentation(one.outline)
                if with_difficult:
                    annotation["difficult"] = int(one.difficult)
                annotations.append(annotation)
        table = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": index, "name": name, "supercategory": ""} for name, index in numbers.items()],
        }
        path = annotations_folder / f"instances_{split}.json"
        path.write_text(json.dumps(table, ensure_ascii=False, allow_nan=False), "utf-8")
    return []


def _segmentation(outline: Outline) -> list[list[float]] | dict[str, Any]:
    if outline.polygons:
        return [[number(value) for value in polygon] for polygon in outline.polygons]
    return {"counts": outline.counts, "size": list(outline.size)}
