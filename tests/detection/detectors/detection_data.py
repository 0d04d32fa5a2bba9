"""Small pictures of bright squares and dark discs with their boxes, for tests of detectors."""

from __future__ import annotations

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, Value
from datasets import List as ListOf
from PIL import Image as Pillow

NAMES = ["square", "disc"]
FEATURES = Features(
    {
        "image": Image(),
        "objects": {
            "bbox": ListOf(ListOf(Value("float32"), length=4)),
            "category": ListOf(ClassLabel(names=NAMES)),
        },
    }
)


def picture(generator: np.random.Generator, width: int = 64, height: int = 48) -> tuple[Pillow.Image, dict]:
    """A picture with up to three things, and its objects."""
    pixels = np.full((height, width, 3), 110, np.uint8) + generator.integers(0, 20, (height, width, 1), dtype=np.uint8)
    boxes, classes = [], []
    for column in range(int(generator.integers(1, 4))):
        side = int(generator.integers(10, 18))
        left, top = 1 + column * 21, int(generator.integers(0, height - side))
        kind = int(generator.integers(2))
        y, x = np.ogrid[:height, :width]
        if kind == 0:
            inside = (x >= left) & (x < left + side) & (y >= top) & (y < top + side)
        else:
            radius = side / 2
            inside = (x + 0.5 - left - radius) ** 2 + (y + 0.5 - top - radius) ** 2 <= radius**2
        pixels[inside] = (250, 240, 90) if kind == 0 else (20, 30, 140)
        boxes.append([left, top, side, side])
        classes.append(kind)
    return Pillow.fromarray(pixels), {"bbox": boxes, "category": classes}


def pictures(count: int, seed: int = 0) -> Dataset:
    """So many of them."""
    generator = np.random.default_rng(seed)
    rows = [picture(generator) for _ in range(count)]
    return Dataset.from_dict(
        {"image": [one for one, _ in rows], "objects": [objects for _, objects in rows]}, features=FEATURES
    )
