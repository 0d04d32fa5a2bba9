"""A picture of a classifier's result: the mistakes it was surest of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..predictions import Predictions
from ..task import Picture
from .confusion_matrix import name_fonts, save_figure, short_name

MISTAKES_FILE = "worst_mistakes.png"
GRID_ROWS, GRID_COLUMNS = 4, 6


def draw_worst_mistakes(
    predictions: Predictions, pixel_values: Tensor, label_names: Sequence[str], folder: Path
) -> Picture | None:
    """Draw the wrong answers with the highest probability, at most 24.

    Args:
        predictions: Logits (N, classes) and labels (N,).
        pixel_values: The pictures, uint8 (N, C, H, W) with one or three channels.
        label_names: Names of the classes.
        folder: Where `worst_mistakes.png` goes.

    Returns:
        The picture, or None if every answer is right.
    """
    rows, probabilities = worst_mistakes(predictions, GRID_ROWS * GRID_COLUMNS)
    if len(rows) == 0:
        return None
    answers = predictions.outputs[rows].argmax(axis=1)
    pictures = pixel_values[rows.tolist()].cpu().permute(0, 2, 3, 1).numpy()  # (n, H, W, C)
    grid_rows = -(-len(rows) // GRID_COLUMNS)
    columns = min(GRID_COLUMNS, len(rows))
    with name_fonts():
        figure = Figure(figsize=(1.65 * columns, 2.0 * grid_rows), layout="constrained")
        for place, axes in enumerate(figure.subplots(grid_rows, columns, squeeze=False).flat):
            axes.set_axis_off()
            if place < len(rows):
                answer = f"{short_name(label_names[answers[place]])} {_percent(probabilities[place])}"
                truth = short_name(label_names[predictions.labels[rows[place]]])
                _draw_mistake(axes, pictures[place], answer, truth)
        save_figure(figure, folder / MISTAKES_FILE)
    which = "The wrong answer" if len(rows) == 1 else f"The {len(rows)} wrong answers"
    return Picture(MISTAKES_FILE, f"{which} of highest probability; above each the answer and the true class.")


def worst_mistakes(predictions: Predictions, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of wrong answers and the probabilities of these answers, surest first, at most `most`."""
    logits = predictions.outputs.astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    highest = (exponentials / exponentials.sum(axis=1, keepdims=True)).max(axis=1)  # (N,)
    wrong = np.flatnonzero(logits.argmax(axis=1) != predictions.labels)
    rows = wrong[np.argsort(-highest[wrong], kind="stable")][:most]
    return rows, highest[rows]


def _draw_mistake(axes: Axes, picture: NDArray[np.uint8], answer: str, truth: str) -> None:
    if picture.shape[-1] == 1:
        axes.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(picture)
    axes.set_title(f"{answer}\nis {truth}", fontsize=8, parse_math=False)


def _percent(probability: float) -> str:
    return ">99 %" if probability > 0.995 else f"{probability:.0%}".replace("%", " %")
