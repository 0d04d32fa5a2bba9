"""The picture of a reconstruction: what went in above what came back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.predictions import Predictions
from tsugiki.task import Picture

from ..pictures.picture_grid import picture_grid
from ..pictures.png_files import write_png

FILE = "reconstructions.png"
COLUMNS = 10


def draw_reconstructions(predictions: Predictions, errors: NDArray[np.float64], folder: Path) -> Picture:
    """Draw the first pictures and the worst ones, each above its reconstruction.

    Args:
        predictions: Reconstructions from 0 to 1 (N, C, H, W) and, as labels, the pictures from 0 to 255 (N, C, H, W).
        errors: Squared error of each row (N,).
        folder: Where `reconstructions.png` goes.
    """
    columns = min(COLUMNS, len(errors))
    worst = np.argsort(-errors, kind="stable")[:columns]
    lines = [
        line
        for rows in (np.arange(columns), worst)
        for line in (predictions.labels[rows].astype(np.float32) / 255, predictions.outputs[rows])
    ]
    caption = (
        f"The first {columns} test pictures above what the network makes of their codes; below, the same for the "
        f"{columns} that come back worst (squared error {errors[worst[-1]]:.1f} to {errors[worst[0]]:.1f})."
    )
    grid = picture_grid(torch.from_numpy(np.concatenate(lines)), columns=columns)
    write_png(folder / FILE, grid, {"Description": caption}, overwrite=True)
    return Picture(FILE, caption)
