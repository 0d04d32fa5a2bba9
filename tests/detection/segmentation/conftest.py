"""Pictures of white discs on black, with masks of several kinds."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Sequence, Value
from numpy.typing import NDArray
from PIL import Image as Pillow

SIDE = 24


def disc(side: int = SIDE, *, x: float = 8, y: float = 10, radius: float = 5) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def two_discs(shift: int) -> NDArray[np.uint8]:
    """Numbers of the objects: 1 and 2."""
    mask = disc(x=6 + shift, y=7, radius=4).astype(np.uint8)
    mask[disc(x=17, y=16 - shift, radius=5)] = 2
    return mask


def picture_of(mask: NDArray[np.generic]) -> Pillow.Image:
    return Pillow.fromarray(np.where(mask > 0, 200, 30).astype(np.uint8))


def with_masks(masks: list[Pillow.Image], **columns: list) -> Dataset:
    rows = {"image": [picture_of(np.array(mask)) for mask in masks], "mask": masks, **columns}
    features = {"image": Image(), "mask": Image()}
    features |= {name: Value("string") for name in columns}
    return Dataset.from_dict(rows, features=Features(features))


def with_objects(masks: list[NDArray[np.uint8]], categories: list[list[int]], names: list[str]) -> Dataset:
    """As detection sets of the Hub have them: the mask numbers the objects of the column beside it."""
    kind = {"id": Sequence(Value("int64")), "category": Sequence(ClassLabel(names=names))}
    rows = {
        "image": [picture_of(mask) for mask in masks],
        "mask": [Pillow.fromarray(mask) for mask in masks],
        "objects": [{"id": list(range(len(one))), "category": one} for one in categories],
    }
    return Dataset.from_dict(rows, features=Features({"image": Image(), "mask": Image(), "objects": kind}))


@pytest.fixture
def nuclei() -> Dataset:
    return with_objects([two_discs(shift) for shift in range(4)], [[0, 0]] * 4, ["nucleus"])
