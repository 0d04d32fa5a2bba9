"""Pictures of a detector's figures: what it found, precision by recall, and what it takes for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions

from .average_precision import Objects
from .box_drawing import COLORS
from .box_labels import BOX, CLASS
from .found_objects import best_threshold, confusion, match_all
from .predicted_objects import objects_of

DOTS_PER_INCH = 120
SHOWN = 6  # pictures
FOUND = 0.5


def draw_examples(pixels: Tensor, predictions: Predictions, names: list[str], folder: Path) -> Picture:
    """The first pictures of the rows (N, C, H, W): dashed what is there, solid what was found at the best score."""
    there, found = objects_of(predictions)
    threshold, _ = best_threshold(match_all(there, found, FOUND))
    count = min(SHOWN, len(there))
    columns = min(3, count)
    figure = Figure(figsize=(4 * columns, 3.4 * -(-count // columns)), layout="constrained")
    grid = figure.subplots(-(-count // columns), columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    height, width = pixels.shape[-2:]
    for axes, picture, labels, said in zip(grid, pixels, predictions.labels, predictions.outputs, strict=False):
        axes.imshow(Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()))
        axes.set(xlim=(0, width), ylim=(height, 0))
        real = np.asarray(labels)[np.asarray(labels)[:, CLASS] >= 0]
        centre, size = real[:, BOX][:, :2], real[:, BOX][:, 2:]
        _rectangles(
            axes, np.concatenate([centre - size / 2, centre + size / 2], 1), real[:, CLASS], (width, height), "--"
        )
        kept = np.asarray(said)[np.asarray(said)[:, 0] >= threshold]
        _rectangles(axes, kept[:, 2:], kept[:, 1], (width, height), "-")
    for number, name in enumerate(names):
        grid[0].plot([], [], color=COLORS[number % len(COLORS)], label=name)
    if names:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
    return _saved(figure, folder, "detections.png", "Some pictures: dashed what is there, solid what was found.")


def _rectangles(axes: object, corners: NDArray, classes: NDArray, size: tuple[int, int], style: str) -> None:
    from matplotlib.patches import Rectangle

    for (left, top, right, bottom), label in zip((corners * (size * 2)).tolist(), classes.astype(int), strict=True):
        color = COLORS[label % len(COLORS)]
        patch = Rectangle(
            (left, top), right - left, bottom - top, fill=False, color=color, linestyle=style, linewidth=1.2
        )
        axes.add_patch(patch)  # type: ignore[attr-defined]


def draw_precision_recall(
    there: Sequence[Objects], found: Sequence[Objects], names: list[str], folder: Path
) -> Picture:
    """Precision by recall of each class, at an overlap of one half."""
    figure = Figure(figsize=(5.2, 4), layout="constrained")
    axes = figure.subplots()
    for label, name in enumerate(names):
        real = [one.select(one.classes == label) for one in there]
        matches = match_all(real, [one.select(one.classes == label) for one in found], FOUND)
        objects = sum(one.objects for one in matches)
        scores = np.concatenate([one.scores[one.counted] for one in matches])
        right = np.concatenate([one.right[one.counted] for one in matches])[np.argsort(-scores, kind="stable")]
        if not objects or not len(right):
            continue
        hits = np.cumsum(right)
        color = COLORS[label % len(COLORS)]
        axes.plot(hits / objects, hits / np.arange(1, len(right) + 1), label=f"{name} ({objects})", color=color)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        axes.legend(loc="lower left")
    caption = "Precision by recall of each class, at an overlap of one half; in brackets how many objects there are."
    return _saved(figure, folder, "precision_recall.png", caption)


def draw_confusion(there: Sequence[Objects], found: Sequence[Objects], names: list[str], folder: Path) -> Picture:
    """What objects are taken for, background too, at the score that is best for all."""
    threshold, _ = best_threshold(match_all(there, found, FOUND))
    counts = confusion(there, found, len(names), threshold=threshold, iou=FOUND)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.2 + 0.6 * len(counts)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = [*names, "background"]
    axes.set_xticks(range(len(ticks)), ticks, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(ticks)), ticks, parse_math=False)
    axes.set(xlabel="found", ylabel="there")
    for row, column in np.ndindex(*counts.shape):
        shown = str(counts[row, column]) if (row, column) != (len(names), len(names)) else ""
        axes.text(column, row, shown, ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black")
    return _saved(
        figure, folder, "confusion_matrix.png", f"Objects by what they are taken for, at scores from {threshold:.2f}."
    )


def _saved(figure: Figure, folder: Path, file: str, caption: str) -> Picture:
    figure.savefig(folder / file, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(file, caption)
