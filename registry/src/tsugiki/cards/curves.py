"""Pictures of a training run: loss, validation figure and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..task import Picture

FILE = "curves.png"


def draw_curves(history: Sequence[Mapping[str, Any]], folder: str | Path, *, title: str) -> Picture | None:
    """Draw a run's history.

    Args:
        history: One entry per epoch with ``epoch``, ``loss``, and optionally ``learning_rate`` and ``eval_*``.
        folder: Where ``curves.png`` goes.
        title: Heading of the picture.

    Returns:
        The picture, or None when there are fewer than two epochs to draw.
    """
    losses = [entry for entry in history if "loss" in entry]
    if len(losses) < 2:
        return None
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter, MaxNLocator, ScalarFormatter

    figures = sorted({key for entry in history for key in entry if key.startswith("eval_") and key != "eval_loss"})
    panels = 2 if figures or any("learning_rate" in entry for entry in history) else 1
    figure = Figure(figsize=(5.2 * panels, 3.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.suptitle(title)

    axes[0].plot(*_series(history, "loss"), label="training")
    if any("eval_loss" in entry for entry in history):
        axes[0].plot(*_series(history, "eval_loss"), label="validation")
        axes[0].legend(frameon=False)
    axes[0].set(xlabel="epoch", ylabel="loss", yscale="log")
    axes[0].yaxis.set_major_formatter(ScalarFormatter())  # 20, not 2 x 10 to the power of 1
    axes[0].yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.6)))

    if figures:
        for key in figures:
            axes[1].plot(*_series(history, key), label=key.removeprefix("eval_"))
        axes[1].set(xlabel="epoch", ylabel="validation")
        axes[1].legend(frameon=False)
    elif panels == 2:
        axes[1].plot(*_series(history, "learning_rate"), color="tab:gray")
        axes[1].set(xlabel="epoch", ylabel="learning rate")
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=losses[-1]["epoch"] > 2))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(folder) / FILE, dpi=110)
    last = losses[-1]
    return Picture(FILE, f"Training loss over {last['epoch']:.0f} epochs; it ends at {last['loss']:.4f}.")


def _series(history: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    points = [(float(entry["epoch"]), float(entry[key])) for entry in history if key in entry]
    return [epoch for epoch, _ in points], [value for _, value in points]
