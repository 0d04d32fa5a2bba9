"""What the tests of style transfer share: a tiny VGG with its processor in a folder, and a data set of one painting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import tsugiki
from datasets import Dataset, Features, Image, Value
from PIL import Image as PillowImage
from tsugiki.picture_processing import ColorImageProcessor

TITLE = "Stripes (2024)"


def save_tiny_vgg(folder: Path) -> Path:
    """VGG-13 with fresh weights at a sixteenth of its width, and statistics of normalisation that fit noise."""
    torch.manual_seed(0)
    model = tsugiki.create_model(
        "vgg", "image-classification", depth=13, width_multiplier=1 / 16, image_size=32, hidden_sizes=(), num_labels=3,
        normalization="batch",
    )  # fmt: skip
    for _ in range(20):
        model(torch.randn(4, 3, 32, 32))
    model.save_pretrained(folder)
    mean, deviation = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
    ColorImageProcessor(image_mean=mean, image_std=deviation).save_pretrained(folder)
    return folder


def save_paintings(folder: Path) -> Path:
    """A data set with two pictures, of which one is striped."""
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:, ::4] = (250, 200, 30)
    pictures = [PillowImage.fromarray(pixels), PillowImage.new("RGB", (30, 30), (10, 20, 90))]
    features = Features({"image": Image(), "title": Value("string")})
    data = Dataset.from_dict({"image": pictures, "title": [TITLE, "Plain (2024)"]}, features=features)
    (folder / "data").mkdir(parents=True)
    data.to_parquet(str(folder / "data" / "train-0.parquet"))
    return folder


def photographs(count: int, side: int = 32) -> torch.Tensor:
    """Smooth pictures `(N, 3, side, side)`, from 0 to 1."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand((count, 3, 4, 4), generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
