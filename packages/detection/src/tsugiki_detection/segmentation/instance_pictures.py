"""Pictures of instance segmentation: the outline of each object in a colour of its own."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from tsugiki.images import open_image
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions

from .instance_scores import real_objects, shown_row

FILE = "instances.png"
SHOWN = 6
DOTS_PER_INCH = 110
_GOLDEN = 0.618033988749895  # share of the circle between the hues of two objects that follow: none are alike soon


def colour_of(number: int) -> NDArray[np.uint8]:
    """Red, green and blue of the object of a number, 1, 2, …"""
    return np.round(255 * np.array(colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.85, 1.0))).astype(np.uint8)


def outlined(picture: Any, masks: Iterable[NDArray[np.bool_]]) -> PIL.Image.Image:
    """A picture in colours with the outline of each object, drawn on its own pixels.

    Args:
        picture: Any picture.
        masks: Of the objects, as large as it (H, W) each.
    """
    pixels = np.array(open_image(picture).convert("RGB"))  # (H, W, 3)
    width = max(1, round(min(pixels.shape[:2]) / 250))
    for number, mask in enumerate(masks, 1):
        box = ndimage.find_objects(mask.astype(np.uint8))
        if box:  # an object is small beside its picture
            inner = ndimage.binary_erosion(mask[box[0]], iterations=width)
            pixels[box[0]][mask[box[0]] & ~inner] = colour_of(number)
    return PIL.Image.fromarray(pixels)


def draw_instances(pictures: Tensor, predictions: Predictions, scores: NDArray[np.float64], folder: Path) -> Picture:
    """Draw pictures from the worst answer to the best, in even steps of rank.

    Args:
        pictures: uint8 (N, C, H, W).
        predictions: What was found, and labels (H, W), of each.
        scores: How good each answer is (N,).
        folder: Where `instances.png` goes.
    """
    from matplotlib.figure import Figure

    ranked = np.argsort(scores, kind="stable")
    chosen = ranked[np.unique(np.linspace(0, len(ranked) - 1, SHOWN).round().astype(int))]
    figure = Figure(figsize=(2.2 * len(chosen), 4.8), layout="constrained")
    grid = figure.subplots(2, len(chosen), squeeze=False)
    for (above, below), row in zip(grid.T, chosen.tolist(), strict=True):
        above.set_title(f"{scores[row]:.2f}", fontsize=9)
        picture = _bright(pictures[row].cpu().permute(1, 2, 0).numpy())
        there, found = real_objects(np.asarray(predictions.labels[row])), shown_row(predictions.outputs[row])
        for axes, one in ((above, there), (below, found)):
            masks = (one.numbers == number for number in range(1, len(one.scores) + 1))
            axes.imshow(outlined(picture, masks), interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
    grid[0][0].set_ylabel("mask")
    grid[1][0].set_ylabel("answer")
    figure.savefig(folder / FILE, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(
        FILE,
        "Pictures of the evaluation data from the worst answer to the best, in even steps of rank, with the outline "
        "of each object as it is marked (above) and as it was found (below), and the F1 at an overlap of one half.",
    )


def _bright(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    """A picture (H, W, C) stretched to the whole range of light, for many of a microscope are nearly black."""
    low, high = int(pixels.min()), int(pixels.max())
    stretched = ((pixels.astype(np.float32) - low) * (255 / max(1, high - low))).round().astype(np.uint8)
    return PIL.Image.fromarray(stretched[:, :, 0] if stretched.shape[2] == 1 else stretched)
