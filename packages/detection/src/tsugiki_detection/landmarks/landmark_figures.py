"""Pictures of landmarks: points in a picture, and how many of them lie how near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions

DOTS_PER_INCH = 120
SHOWN = 8  # pictures
THERE, FOUND = "#009e73", "#d55e00"


def with_points(picture: Image.Image, answers: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The picture with its points; those that are hardly seen as rings."""
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    radius = max(1.0, min(drawn.size) / 120)
    for one in answers:
        x, y = one["point"]["x"], one["point"]["y"]
        fill = FOUND if one["score"] >= 0.5 else None
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=FOUND, fill=fill)
    return drawn


def draw_points(pixels: Tensor, predictions: Predictions, folder: Path) -> Picture:
    """The first pictures of the rows (N, C, H, W) with the points that are there and those that were found."""
    count = min(SHOWN, len(pixels))
    figure = Figure(figsize=(2.4 * min(4, count), 2.4 * -(-count // 4)), layout="constrained")
    grid = figure.subplots(-(-count // 4), min(4, count), squeeze=False).flatten()
    height, width = pixels.shape[-2:]
    size = np.array([width, height])
    for axes in grid:
        axes.set_axis_off()
    for axes, picture, labels, said in zip(grid, pixels, predictions.labels, predictions.outputs, strict=False):
        shown = picture.permute(1, 2, 0).cpu().numpy()
        axes.imshow(shown if shown.shape[2] == 3 else shown[..., 0], cmap="gray")
        real = np.asarray(labels)[np.asarray(labels)[:, 2] > 0, :2] * size
        axes.plot(*real.T, ".", color=THERE, markersize=3, label="there")
        axes.plot(*(np.asarray(said)[:, :2] * size).T, ".", color=FOUND, markersize=3, label="found")
    grid[0].legend(loc="lower left", fontsize="x-small")
    figure.savefig(folder / "landmarks.png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture("landmarks.png", "Some pictures with the points that are there, and those that were found.")


def draw_errors(errors: NDArray[np.float64], folder: Path) -> Picture:
    """The share of points (P,) whose error is at most so large."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    sizes = np.sort(errors)
    axes.plot(sizes, (np.arange(len(sizes)) + 1) / max(1, len(sizes)), color=FOUND)
    axes.axvline(0.1, color="gray", linewidth=0.8)
    axes.set(xlabel="error, as a fraction of the distance it is measured by", ylabel="share of points", xlim=(0, 0.5))
    axes.set_ylim(0, 1.02)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "landmark_errors.png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture("landmark_errors.png", "The share of points by their error; at the line lies what counts as right.")
