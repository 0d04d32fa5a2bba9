"""A map as a PNG: points, and beside as many of them as have room their labels, none over another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tsugiki.output import write_bytes

from .tsne_map import Map

WIDTH, HEIGHT = 12.0, 9.0  # inches
RESOLUTION = 120  # dots an inch
FONT = 7.5  # points
MOST_LABELS = 400  # beyond, the picture is text and nothing else
GAP = 2.0  # pixels between two labels, and between a label and its point
LEGEND = 12  # groups at most that are listed below


def place_labels(
    anchors: NDArray[np.float64],
    sizes: NDArray[np.float64],
    bounds: tuple[float, float, float, float],
    *,
    gap: float = GAP,
    most: int = MOST_LABELS,
) -> dict[int, tuple[float, float]]:
    """Find room for labels, one after the other: right of the point, left, above or below, or none.

    Args:
        anchors: Points (N, 2) in pixels, the most important first.
        sizes: Width and height of each label (N, 2); a width of 0 is no label.
        bounds: Left, bottom, right and top of the picture.
        gap: Pixels that stay free.
        most: Labels at most.

    Returns:
        Lower left corner by number, of the labels that have room; no two boxes overlap, and none leaves the picture.
    """
    left, bottom, right, top = bounds
    taken = np.empty((0, 4))
    placed: dict[int, tuple[float, float]] = {}
    for number, ((x, y), (width, height)) in enumerate(zip(anchors, sizes, strict=True)):
        if width <= 0:
            continue
        if len(placed) == most:
            break
        corners = (
            (x + gap, y - height / 2),
            (x - gap - width, y - height / 2),
            (x - width / 2, y + gap),
            (x - width / 2, y - gap - height),
        )
        for corner_x, corner_y in corners:
            box = np.array([corner_x, corner_y, corner_x + width, corner_y + height])
            inside = box[0] >= left and box[1] >= bottom and box[2] <= right and box[3] <= top
            apart = (
                (box[0] - gap >= taken[:, 2])
                | (box[2] + gap <= taken[:, 0])
                | (box[1] - gap >= taken[:, 3])
                | (box[3] + gap <= taken[:, 1])
            )
            if inside and apart.all():
                taken = np.concatenate([taken, box[None]])
                placed[number] = (corner_x, corner_y)
                break
    return placed


def draw_map(drawn: Map, output: str | Path, *, overwrite: bool = False) -> int:
    """Write a map as a PNG file, whole or not at all.

    Args:
        drawn: The map.
        output: The file.
        overwrite: Replace a file that is there.

    Returns:
        How many labels had room.

    Raises:
        OutputError: The file cannot be written, or is there and not to be replaced.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=RESOLUTION, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    palette = colormaps["tab10" if len(drawn.group_names) <= 10 else "tab20"]
    colors = [palette(number % palette.N) for number in range(max(1, len(drawn.group_names)))]
    size = float(np.clip(20_000 / len(drawn.positions), 2, 14))
    x, y = drawn.positions.T
    axes.scatter(x, y, s=size, c=[colors[group] for group in drawn.groups], alpha=0.6, linewidths=0)
    if len(drawn.marked):
        marked = list(drawn.marked)
        axes.scatter(x[marked], y[marked], s=60, facecolors="none", edgecolors="black")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.03)
    axes.set_title(_plain(drawn.title), fontsize=11)
    axes.spines[:].set_color("0.8")
    if len(drawn.group_names) > 1:
        handles = [
            Line2D([], [], marker="o", linestyle="", color=colors[number], label=_plain(name))
            for number, name in enumerate(drawn.group_names[:LEGEND])
        ]
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=4, frameon=False, fontsize=7
        )
    canvas.draw()  # the layout is settled now, and pixels mean something
    renderer = canvas.get_renderer()
    anchors = axes.transData.transform(drawn.positions)
    order = sorted(range(len(anchors)), key=lambda number: number not in set(drawn.marked))
    sizes = _label_sizes([drawn.labels[number] for number in order], renderer)
    box = axes.get_window_extent()
    placed = place_labels(anchors[order], sizes, (box.x0, box.y0, box.x1, box.y1))
    back = axes.transData.inverted()
    for number, corner in placed.items():
        point = order[number]
        left, bottom = back.transform(corner)
        bold = "bold" if point in drawn.marked else "normal"
        text = _plain(drawn.labels[point])
        axes.text(left, bottom, text, fontsize=FONT, weight=bold, va="bottom", ha="left", color="0.1")
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Title": drawn.title, "Software": "tsugiki map"})
    write_bytes(output, buffer.getvalue(), overwrite=overwrite)
    return len(placed)


def _label_sizes(labels: Sequence[str], renderer: object) -> NDArray[np.float64]:
    """Width and height in pixels of labels in bold, as many as could be placed at best."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=FONT, weight="bold")
    measured = np.zeros((len(labels), 2))
    for number, label in enumerate(labels):
        if label:
            width, height, _ = renderer.get_text_width_height_descent(_plain(label), font, ismath=False)  # type: ignore[attr-defined]
            measured[number] = width, max(height, FONT * RESOLUTION / 72)
    return measured


def _plain(text: str) -> str:
    """A text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")
