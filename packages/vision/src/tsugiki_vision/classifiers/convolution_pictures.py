"""Pictures for `convolution_basics`: filters on a picture, where a kernel stands, and what a gate's network answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from tsugiki.output import atomic_file

from .convolution_basics import (
    EDGE_FILTERS,
    XOR_INPUTS,
    XOR_LABELS,
    Padding,
    edge_strength,
    filter_picture,
    output_size,
    padding_pixels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .mlp import MLPForImageClassification

DOTS_PER_INCH = 120
_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def draw_edge_filters(picture: Tensor, file: str | Path, *, overwrite: bool = False) -> None:
    """Draw what each of `EDGE_FILTERS` makes of a picture, and the strength of its edges.

    Args:
        picture: Gray (H, W).
        file: The PNG file to write.
        overwrite: Replace a file that is there.
    """
    answers = {name: filter_picture(picture, kernel) for name, kernel in EDGE_FILTERS.items()}
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    axes = figure.subplots(2, 4)
    _show(axes[0, 0], picture, "picture")
    _show(axes[1, 0], edge_strength(picture), "strength (Sobel)")
    panels = [axes[row, column] for column in (1, 2, 3) for row in (0, 1)]
    for panel, (name, answer) in zip(panels, answers.items(), strict=True):
        largest = float(answer.abs().max())
        kernel = " / ".join(" ".join(f"{value:g}" for value in row) for row in EDGE_FILTERS[name].tolist())
        _show(panel, answer, f"{name}\n{kernel}", limits=(-largest, largest))
    _save(figure, file, overwrite=overwrite)


def draw_output_sizes(
    file: str | Path, settings: Sequence[tuple[int, int, Padding, int]], *, overwrite: bool = False
) -> None:
    """Draw where the kernel stands in the first row of a picture, for several paddings and strides.

    Args:
        file: The PNG file to write.
        settings: For each panel the side of the picture, that of the kernel, the padding and the stride.
        overwrite: Replace a file that is there.
    """
    figure = Figure(figsize=(2.6 * len(settings), 3.2), layout="constrained")
    for panel, (size, kernel_size, padding, stride) in zip(
        figure.subplots(1, len(settings), squeeze=False)[0], settings, strict=True
    ):
        zeros, result = padding_pixels(kernel_size, padding), output_size(size, kernel_size, padding, stride)
        for row in range(-zeros, size + zeros):
            for column in range(-zeros, size + zeros):
                inside = 0 <= row < size and 0 <= column < size
                color = "0.85" if inside else "white"
                panel.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor="0.6", linewidth=0.6))
        for step in range(result):  # the windows of the first row, a little apart so that each shows
            shift = 0.06 * (step % 3)
            panel.add_patch(
                Rectangle(
                    (step * stride - zeros + shift, -zeros + shift),
                    kernel_size - 2 * shift,
                    kernel_size - 2 * shift,
                    fill=False,
                    edgecolor=_COLORS[step % len(_COLORS)],
                    linewidth=1.6,
                )
            )
        panel.set(xlim=(-zeros - 0.3, size + zeros + 0.3), ylim=(size + zeros + 0.3, -zeros - 0.3), aspect="equal")
        panel.set_axis_off()
        panel.set_title(f"n = {size}, f = {kernel_size}, p = {zeros}, s = {stride}\n{result} x {result}", fontsize=9)
    _save(figure, file, overwrite=overwrite)


def draw_xor(
    networks: Sequence[tuple[str, MLPForImageClassification]], file: str | Path, *, overwrite: bool = False
) -> None:
    """Draw what networks of `xor_network` answer everywhere, and the four rows of the gate.

    Args:
        networks: Titles and networks.
        file: The PNG file to write.
        overwrite: Replace a file that is there.
    """
    line = torch.linspace(-0.4, 1.4, 121)
    second, first = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([first.flatten(), second.flatten()], dim=1)  # (121 * 121, 2)
    figure = Figure(figsize=(3.2 * len(networks), 3.4), layout="constrained")
    for panel, (title, network) in zip(figure.subplots(1, len(networks), squeeze=False)[0], networks, strict=True):
        with torch.inference_mode():
            ones = network(grid[:, :, None, None]).logits.softmax(1)[:, 1].view(len(line), -1)
        extent = (float(line[0]), float(line[-1])) * 2
        panel.imshow(ones.numpy(), origin="lower", extent=extent, cmap="RdBu_r", vmin=0, vmax=1, alpha=0.7)
        for label, marker in ((0, "o"), (1, "s")):
            rows = XOR_INPUTS[label == XOR_LABELS].numpy()
            panel.scatter(rows[:, 0], rows[:, 1], marker=marker, color="black", label=f"xor = {label}")
        panel.set(xticks=(0, 1), yticks=(0, 1))
        panel.set_title(title, fontsize=9)
    figure.axes[0].legend(loc="center", fontsize=8)
    _save(figure, file, overwrite=overwrite)


def _show(panel: Axes, picture: Tensor, title: str, limits: tuple[float, float] | None = None) -> None:
    low, high = limits or (float(picture.min()), float(picture.max()))
    panel.imshow(picture.numpy(), cmap="gray", vmin=low, vmax=high)
    panel.set_title(title, fontsize=8)
    panel.set_axis_off()


def _save(figure: Figure, file: str | Path, *, overwrite: bool) -> None:
    with atomic_file(file, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=DOTS_PER_INCH, format="png", metadata={"Software": None})
