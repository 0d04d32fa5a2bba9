"""Folders with labels that tests write by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION = 274  # the tag of EXIF


def write_picture(path: Path, size: tuple[int, int] = (100, 80), *, seed: int = 0, orientation: int = 1) -> Path:
    """A picture of noise, width and height before it is turned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng([seed, *path.name.encode()]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, **({"exif": exif} if orientation != 1 else {}))
    return path


def write_numbers(path: Path, numbers: Any, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(numbers, dtype)).save(path)
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def coco_table(*annotations: dict[str, Any], images: int = 1, size: tuple[int, int] = (100, 80)) -> dict[str, Any]:
    """COCO's table of pictures ``0.png``, … and the classes 3 cat and 7 dog."""
    return {
        "images": [
            {"id": 10 + number, "file_name": f"{number}.png", "width": size[0], "height": size[1]}
            for number in range(images)
        ],
        "annotations": [
            {"id": number, "image_id": 10, "category_id": 7, "iscrowd": 0, **annotation}
            for number, annotation in enumerate(annotations, 1)
        ],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def write_coco_folder(folder: Path, table: dict[str, Any], *, size: tuple[int, int] = (100, 80)) -> Path:
    for row in table["images"]:
        write_picture(folder / row["file_name"], size)
    write_text(folder / "annotations.json", json.dumps(table))
    return folder


def voc_xml(*boxes: tuple[str, float, float, float, float], size: tuple[int, int] = (100, 80), extra: str = "") -> str:
    """Pascal VOC's file, an object a line from line 3 on."""
    lines = [
        f"<object><name>{name}</name>{extra}<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in boxes
    ]
    head = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return "\n".join(["<annotation>", head, *lines, "</annotation>", ""])
