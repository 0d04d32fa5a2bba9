"""Pictures of one colour with five captions each, and a captioner small enough to learn them within a test."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
PATTERNS = (
    "A {} square .",
    "a {} square on the wall",
    "The square is {} !",
    "One {} square.",
    "A square that is {}",
)
ENCODER: dict[str, Any] = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
}
SIZES: dict[str, Any] = {"encoder_config": ENCODER, "vocab_size": 30, "hidden_size": 16, "grid_size": 2}


def picture(colour: str, seed: int = 0) -> Pillow.Image:
    """A noisy square of 40 pixels."""
    noise = np.random.default_rng(seed).integers(-20, 21, (40, 40, 3))
    return Pillow.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


def squares(rows: int = 12) -> Dataset:
    """Pictures of the four colours in turn, with columns like those of Flickr8k."""
    names = [list(COLOURS)[row % len(COLOURS)] for row in range(rows)]
    columns: dict[str, list[Any]] = {"image": [picture(name, row) for row, name in enumerate(names)]}
    columns |= {f"caption_{n}": [text.format(name) for name in names] for n, text in enumerate(PATTERNS)}
    features = Features({"image": Image(), **{f"caption_{n}": Value("string") for n in range(len(PATTERNS))}})
    return Dataset.from_dict(columns, features=features)
