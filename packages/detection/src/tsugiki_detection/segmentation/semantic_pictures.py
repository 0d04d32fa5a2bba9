"""Pictures of semantic segmentation: answers beside masks, and a picture with its classes in colours."""

from __future__ import annotations

import colorsys
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.images import open_image
from tsugiki.predictions import Predictions
from tsugiki.task import Picture

from .masks import BACKGROUND

FILE = "segmented.png"
SHOWN = 6
DOTS_PER_INCH = 110
_SHARE = 0.5  # of a class's colour over the picture


def colour_of(label: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, that a class has in every picture, by its name."""
    hue = zlib.crc32(label.encode()) / 2**32
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def coloured(picture: PIL.Image.Image, answers: Answers) -> PIL.Image.Image:
    """A picture with the classes of its pixels in colours; the background is left as it is.

    Args:
        picture: The picture.
        answers: With a `label` and a `mask`, the bytes of a PNG of the same size, each.
    """
    pixels = np.array(open_image(picture).convert("RGB"), dtype=np.float32)  # (H, W, 3)
    for answer in answers:
        if answer["label"] != BACKGROUND:
            mask = np.array(PIL.Image.open(io.BytesIO(answer["mask"]))) > 0
            pixels[mask] = (1 - _SHARE) * pixels[mask] + _SHARE * np.array(colour_of(answer["label"]))
    return PIL.Image.fromarray(pixels.round().astype(np.uint8))


def draw_answers(
    pictures: Tensor, predictions: Predictions, scores: NDArray[np.float64], names: Sequence[str], folder: Path
) -> Picture:
    """Draw pictures from the worst answer to the best, in even steps of rank, with the outlines of mask and answer.

    Args:
        pictures: uint8 (N, C, H, W).
        predictions: Answers and labels (H, W) of each.
        scores: How good each answer is (N,).
        names: Of the classes.
        folder: Where `segmented.png` goes.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    ranked = np.argsort(scores, kind="stable")
    shown = ranked[np.unique(np.linspace(0, len(ranked) - 1, SHOWN).round().astype(int))]
    figure = Figure(figsize=(1.9 * len(shown), 4.2), layout="constrained")
    grid = figure.subplots(2, len(shown), squeeze=False)
    for (above, below), row in zip(grid.T, shown.tolist(), strict=True):
        pixels = pictures[row].cpu().permute(1, 2, 0).numpy()
        pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        above.set_title(f"{scores[row]:.2f}", fontsize=9)
        for axes, classes in ((above, predictions.labels[row]), (below, predictions.outputs[row])):
            axes.imshow(pixels, cmap="gray", interpolation="nearest")
            for number, name in enumerate(names):
                inside = np.asarray(classes) == number
                if name != BACKGROUND and inside.any() and not inside.all():
                    colour = np.array(colour_of(name)) / 255
                    axes.contour(inside, levels=[0.5], colors=[tuple(colour)], linewidths=0.8)
            axes.set_xticks([])
            axes.set_yticks([])
    grid[0][0].set_ylabel("mask")
    grid[1][0].set_ylabel("answer")
    kinds = [name for name in names if name != BACKGROUND]
    lines = [Line2D([], [], color=tuple(np.array(colour_of(name)) / 255)) for name in kinds]
    if 1 < len(kinds) <= 12:
        figure.legend(lines, kinds, loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(folder / FILE, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(
        FILE,
        "Pictures of the evaluation data from the worst answer to the best, in even steps of rank, with the outlines "
        "of the mask (above) and of the answer (below), and the mean intersection over union of each.",
    )
