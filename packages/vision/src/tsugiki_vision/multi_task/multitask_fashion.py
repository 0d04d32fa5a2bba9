"""Several tasks on one picture with half of the labels missing, made by rule from Fashion-MNIST.

Every second picture, drawn at random, is turned upside down. Four questions are asked of each: its kind (the ten
classes of Fashion-MNIST), where the thing is worn, whether it is made for the cold, and whether the picture is upside
down. The second and third follow from the kind, which a network that learns them together can use; the last has nothing
to do with it.

In the training split of `tsugiki/multitask_fashion` each label is missing (null) with probability one half, each drawn
apart; the test split is complete. Pictures are stored as PGM files, which hold plain pixels and so have the same bytes
on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tsugiki.augmentation import counter_uniform
from tsugiki.data.load_data import load_split, made_dataset

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "zalando-datasets/fashion_mnist"
KINDS = (
    "T-shirt / top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
WORN_ON = {"torso": (0, 2, 4, 6), "whole body": (3,), "legs": (1,), "feet": (5, 7, 9), "hand": (8,)}  # numbers of kinds
FOR_COLD = (2, 4, 9)  # pullover, coat, ankle boot
TASKS = {
    "kind": list(KINDS),
    "worn_on": list(WORN_ON),
    "for_cold": ["no", "yes"],
    "upside_down": ["no", "yes"],
}
MISSING_SHARE = 0.5  # of the training labels
SEED = 1997  # of all draws


@made_dataset("train", "test")
def make_multitask_fashion(split: str) -> Dataset:
    """One split: `image`, and a column of classes for each of `TASKS`, null where the label is missing.

    All draws depend on (split, number of the row) alone.
    """
    from datasets import ClassLabel, Dataset, Features, Image

    source = load_split(SOURCE, split)
    kinds = np.asarray(source["label"])
    stream = ("train", "test").index(split)
    draws = counter_uniform(torch.arange(len(kinds)), 1 + len(TASKS), seed=SEED, epoch=0, stream=stream).numpy()
    turned = draws[:, 0] < 0.5
    place_of_kind = {kind: place for place, kinds_there in enumerate(WORN_ON.values()) for kind in kinds_there}
    labels = {
        "kind": kinds,
        "worn_on": np.array([place_of_kind[kind] for kind in kinds.tolist()]),
        "for_cold": np.isin(kinds, FOR_COLD).astype(np.int64),
        "upside_down": turned.astype(np.int64),
    }
    columns: dict[str, Any] = {
        "image": [
            {"bytes": _pgm(np.asarray(picture)[::-1] if is_turned else np.asarray(picture)), "path": None}
            for picture, is_turned in zip(source["image"], turned, strict=True)
        ]
    }
    for number, (task, values) in enumerate(labels.items(), start=1):
        missing = (draws[:, number] < MISSING_SHARE) & (split == "train")
        columns[task] = [None if gone else value for value, gone in zip(values.tolist(), missing, strict=True)]
    features = Features({"image": Image(), **{task: ClassLabel(names=names) for task, names in TASKS.items()}})
    return Dataset.from_dict(columns, features=features)


def _pgm(pixels: np.ndarray) -> bytes:
    """A gray picture (H, W) as a binary PGM file."""
    height, width = pixels.shape
    return b"P5\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
