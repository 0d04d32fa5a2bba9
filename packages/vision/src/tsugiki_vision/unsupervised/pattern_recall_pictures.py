"""The picture of a recall: for each pattern what was stored, what the network got and what it made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tsugiki.predictions import Predictions
from tsugiki.task import Picture
from tsugiki.tensor_table import TensorTable

FILE = "recall.png"
MOST_COLUMNS = 10
DOTS_PER_INCH = 120


def draw_recall(predictions: Predictions, table: TensorTable, label_names: Sequence[str], folder: Path) -> Picture:
    """Draw the first row of each pattern, at most ten of them.

    Args:
        predictions: Recalled states -1 or 1 (N, C * H * W), of which the first channel is shown.
        table: The rows, with the columns of `PatternRecall.table`.
        label_names: Names of the patterns.
        folder: Where `recall.png` goes.
    """
    patterns = table.columns["pattern"].cpu().numpy()
    names, rows = np.unique(patterns, return_index=True)
    rows = rows[:MOST_COLUMNS]
    shape = tuple(table.columns["pixel_values"].shape[1:])  # (C, H, W)
    damaged = table.batch(rows.tolist())["pixel_values"].cpu().numpy()
    stored = predictions.labels[rows].reshape(-1, *shape)
    recalled = predictions.outputs[rows].reshape(-1, *shape)
    figure = Figure(figsize=(0.9 + 0.85 * len(rows), 3.0), layout="constrained")
    axes = figure.subplots(3, len(rows), squeeze=False)
    lines = {"stored": stored, "damaged": damaged, "recalled": recalled}
    for line, (title, pictures) in enumerate(lines.items()):
        for column, picture in enumerate(pictures):
            panel = axes[line, column]
            panel.imshow(picture[0], cmap="gray", vmin=-1, vmax=1)
            panel.set_xticks([])
            panel.set_yticks([])
            if line == 0:
                panel.set_title(label_names[names[column]], fontsize=8, parse_math=False)
        axes[line, 0].set_ylabel(title, fontsize=8)
    figure.savefig(folder / FILE, dpi=DOTS_PER_INCH, metadata={"Software": None})
    flipped = float((stored != damaged).mean())
    return Picture(
        FILE,
        f"Stored patterns, the same with {100 * flipped:.0f} % of their bits flipped, and what the network recalls "
        "from those.",
    )
