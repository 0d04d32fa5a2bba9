"""The confusion matrix of a classifier, as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..predictions import Predictions
from ..task import Picture

CONFUSION_FILE = "confusion_matrix.png"
MOST_CLASSES = 30  # more are not legible in one matrix
LONGEST_NAME = 18
DOTS_PER_INCH = 120
# Matplotlib's own font knows no Chinese, Japanese or Korean; these do, on the common systems.
EAST_ASIAN_FONTS = ("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "Microsoft YaHei", "IPAexGothic")


def draw_confusion_matrix(
    predictions: Predictions, label_names: Sequence[str], folder: Path, *, inputs_called: str = "pictures"
) -> Picture:
    """Draw which class was taken for which; colours are shares of the true class, numbers are counts.

    With more than 30 classes only the 30 that take part in most mistakes are shown.

    Args:
        predictions: Logits (N, classes) and labels (N,).
        label_names: Names of the classes.
        folder: Where `confusion_matrix.png` goes.
        inputs_called: What the caption calls the rows.
    """
    counts = confusion_counts(predictions.labels, predictions.outputs.argmax(axis=1), len(label_names))
    shown = list(range(len(label_names)))
    caption = f"Confusion matrix over {counts.sum():,} {inputs_called}: rows are the true classes, columns the answers."
    if len(shown) > MOST_CLASSES:
        wrong = counts * ~np.eye(len(counts), dtype=bool)
        shown = sorted(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES].tolist())
        caption += f" Shown are the {MOST_CLASSES} of {len(counts)} classes with most mistakes."
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[np.ix_(shown, shown)]
    counts = counts[np.ix_(shown, shown)]
    names = [short_name(label_names[index]) for index in shown]

    side = 2.2 + 0.42 * len(names)
    with name_fonts():
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))  # the root lets a share of 1 % show
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=8 if counts[row, column] < 10_000 else 6,
                color="white" if shares[row, column] > 0.3 else "black",
            )
        ticks = np.arange(len(names))
        axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 3 else 0, parse_math=False)
        axes.set_yticks(ticks, names, parse_math=False)
        axes.set(xlabel="answer", ylabel="true class")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        save_figure(figure, folder / CONFUSION_FILE)
    return Picture(CONFUSION_FILE, caption)


def confusion_counts(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each true class (row) got each answer (column), (classes, classes)."""
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def short_name(name: str) -> str:
    """A class name that fits beside a row or above a picture."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


@contextmanager
def name_fonts() -> Iterator[None]:
    """Fonts for class names in any script, as far as they are installed."""
    installed = set(font_manager.get_font_names())
    with rc_context({"font.family": ["DejaVu Sans", *(name for name in EAST_ASIAN_FONTS if name in installed)]}):
        yield


def save_figure(figure: Figure, file: Path) -> None:
    """Write a PNG that is the same bytes for the same figure."""
    figure.savefig(file, dpi=DOTS_PER_INCH, metadata={"Software": None})
