"""The picture of a multi-task result: the accuracy of every task, beside what guessing its commonest class gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tsugiki.task import Picture

from .multi_task import MISSING

FILE = "accuracy_by_task.png"
DOTS_PER_INCH = 120


def draw_task_accuracies(
    right: NDArray[np.bool_], labels: NDArray[np.int64], tasks: Sequence[str], folder: Path
) -> Picture:
    """Draw a bar per task.

    Args:
        right: Whether each label was met (N, tasks).
        labels: Labels (N, tasks), -100 where missing; those are not counted.
        tasks: Names of the tasks.
        folder: Where `accuracy_by_task.png` goes.
    """
    accuracies, commonest = [], []
    for column, answers in zip(labels.T, right.T, strict=True):
        known = column != MISSING
        counts = np.bincount(column[known], minlength=1)
        accuracies.append(100 * answers[known].mean() if known.any() else 0.0)
        commonest.append(100 * counts.max() / max(1, counts.sum()))
    figure = Figure(figsize=(6.4, 1.2 + 0.5 * len(tasks)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(tasks))
    bars = axes.barh(places, accuracies, color="#4c78a8", label="accuracy")
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.plot(commonest, places, "|", color="black", markersize=18, label="commonest class")
    axes.set_yticks(places, tasks, parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="% of known labels", xlim=(0, 108))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left")
    figure.savefig(folder / FILE, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(FILE, "Accuracy of each task, beside what always answering its commonest class would give.")
