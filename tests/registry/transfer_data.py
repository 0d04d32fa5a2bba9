"""Small pictures that are easy to tell apart, as tables and as data sets, for the tests of transfer."""

from __future__ import annotations

import io

import datasets
import numpy as np
import torch
from PIL import Image
from tsugiki.images import Normalize
from tsugiki.tensor_table import TensorTable

NAMES = ["left", "right", "top", "bottom"]
HALVES = [(slice(None), slice(0, 16)), (slice(None), slice(16, 32)), (slice(0, 16),), (slice(16, 32),)]


def pictures(per_class: int, *, classes: int = 4, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with one bright half: uint8 (N, 32, 32, channels) and labels (N,), the classes in turns."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), per_class)
    images = generator.integers(0, 100, (len(labels), 32, 32, channels))
    for image, label in zip(images, labels, strict=True):
        image[HALVES[label]] += 100
    return images.astype(np.uint8), labels


def table(per_class: int, *, classes: int = 4, channels: int = 1, seed: int = 0) -> TensorTable:
    """The pictures as a table."""
    images, labels = pictures(per_class, classes=classes, channels=channels, seed=seed)
    columns = {"pixel_values": torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()}
    return TensorTable({**columns, "labels": torch.from_numpy(labels)}, transform=Normalize((0.5,), (0.5,)))


def dataset(per_class: int, *, classes: int = 4, seed: int = 0, names: list[str] | None = None) -> datasets.Dataset:
    """The pictures as a data set."""
    images, labels = pictures(per_class, classes=classes, seed=seed)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names or NAMES[:classes])}
    )
    rows = {"image": [_png(image[:, :, 0]) for image in images], "label": labels.tolist()}
    return datasets.Dataset.from_dict(rows, features=features)


def spots(rows: int, *, size: int = 6, seed: int = 0) -> datasets.Dataset:
    """Dark pictures with none to three bright spots, and where those are."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 60, (rows, size, size)).astype(np.uint8)
    places = [
        [list(divmod(int(place), size)) for place in sorted(generator.choice(size**2, row % 4, replace=False))]
        for row in range(rows)
    ]
    for picture, found in zip(pixels, places, strict=True):
        for row, column in found:
            picture[row, column] = 250
    features = datasets.Features(
        {"image": datasets.Image(), "spots": datasets.List(datasets.List(datasets.Value("int64")))}
    )
    return datasets.Dataset.from_dict({"image": [_png(one) for one in pixels], "spots": places}, features=features)


def _png(pixels: np.ndarray) -> dict[str, bytes | None]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return {"bytes": file.getvalue(), "path": None}
