"""`tsugiki/digit_patterns`: one black and white digit of each class, made from MNIST by rule."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from tsugiki.data.load_data import load_split, made_dataset
from tsugiki.images import decode_images
from tsugiki.picture_processing import GrayscaleImageProcessor

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "ylecun/mnist"
SIDE = 28
BLACK = 128  # gray values from here on are white, the others black
DRAWS = 100  # rows of the split "test" for each digit, told apart by the column `draw`


@made_dataset("train", "test")
def make_digit_patterns(split: str) -> Dataset:
    """One digit a class: the training digit of MNIST whose bits differ least from the others' of its class.

    Args:
        split: `train` has the ten digits once, `test` each of them a hundred times with the numbers 0 to 99 in the
            column `draw`, for as many ways of damaging it.

    Returns:
        Rows of `image` (0 or 255), `label` and `draw`.

    Raises:
        DataError: MNIST is not there.
    """
    import datasets

    encoded = [{"bytes": _encoded(picture), "path": None} for picture in _medoids()]
    rows = [(digit, draw) for draw in range(1 if split == "train" else DRAWS) for digit in range(10)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=[str(digit) for digit in range(10)]),
            "draw": datasets.Value("int32"),
        }
    )
    return datasets.Dataset.from_dict(
        {
            "image": [encoded[digit] for digit, _ in rows],
            "label": [digit for digit, _ in rows],
            "draw": [draw for _, draw in rows],
        },
        features=features,
    )


def medoid(bits: np.ndarray) -> np.ndarray:
    """The picture that differs in the fewest bits from all others together; the first of several.

    Args:
        bits: bool (N, H, W).

    Returns:
        bool (H, W).
    """
    flat = bits.reshape(len(bits), -1).astype(np.int64)
    white = flat.sum(0)  # (H * W,): of all pictures, how many are white in a place
    # A white bit differs from the pictures that are black there, a black bit from those that are white.
    differing = flat @ (len(bits) - white) + (1 - flat) @ white  # (N,)
    return bits[differing.argmin()]


@functools.cache  # both splits want them, and MNIST takes its time to decode
def _medoids() -> tuple[np.ndarray, ...]:
    import datasets

    source = load_split(SOURCE, "train")
    labels = np.asarray(source.with_format(None)["label"])
    pictures = source.cast_column("image", datasets.Image(decode=False)).with_format(None)["image"]
    processor = GrayscaleImageProcessor(size={"height": SIDE, "width": SIDE})
    bits = decode_images(pictures, processor).numpy()[:, 0] >= BLACK  # (N, H, W)
    return tuple(medoid(bits[labels == digit]) for digit in range(10))


def _encoded(bits: np.ndarray) -> bytes:
    """A portable graymap: not compressed, so that the bytes are the same under every version of every library."""
    file = io.BytesIO()
    PIL.Image.fromarray(bits.astype(np.uint8) * 255).save(file, "ppm")
    return file.getvalue()
