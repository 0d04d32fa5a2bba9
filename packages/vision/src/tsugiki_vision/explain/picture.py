"""One picture of what a classifier looked at: the input, its maps, and the input it would like best."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.images import Normalize
from tsugiki.tasks.confusion_matrix import DOTS_PER_INCH, name_fonts

PANEL_SIDE = 2.6  # inches
BRIGHTEST = 0.99  # quantile of a map's values that is drawn at full strength: single pixels must not dim the others
OVERLAY = 0.5  # of the heat map over the input
HEAT = "jet"  # the colours of the paper's figures


@dataclass(frozen=True)
class Panel:
    """One part of the picture: an array `(H, W)`, drawn in the colours of `cmap`, or `(H, W, 3)`, 0 to 1.

    With `overlay` the array is a heat map `(H, W)` that is laid over that picture `(H, W, 3)`.
    """

    title: str
    values: NDArray[np.float32]
    cmap: str = "gray"
    overlay: NDArray[np.float32] | None = None


def draw_panels(panels: Sequence[Panel], caption: str, *, columns: int = 3) -> PIL.Image.Image:
    """Draw panels in rows, with a caption below."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with name_fonts():
        figure = Figure(figsize=(PANEL_SIDE * columns, (PANEL_SIDE + 0.3) * rows + 0.35), layout="constrained")
        for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            axes.set_axis_off()
            if place >= len(panels):
                continue
            panel = panels[place]
            axes.set_title(panel.title, fontsize=9, parse_math=False)
            if panel.overlay is not None:
                axes.imshow(panel.overlay, interpolation="nearest")
                axes.imshow(panel.values, cmap=panel.cmap, vmin=0, vmax=1, alpha=OVERLAY, interpolation="bilinear")
            else:
                axes.imshow(panel.values, cmap=panel.cmap, vmin=0, vmax=1, interpolation="nearest")
        figure.supxlabel(caption, fontsize=8, wrap=True, parse_math=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return PIL.Image.open(buffer).convert("RGB")


def shown_picture(pixel_values: Tensor, normalize: Normalize) -> NDArray[np.float32]:
    """A normalised picture `(C, H, W)` as a person sees it, `(H, W, 3)` from 0 to 1."""
    low, high = value_range(normalize, len(pixel_values))
    pixels = pixel_values.detach().float().cpu()
    return _as_colours((pixels - low.view(-1, 1, 1)) / (high - low).view(-1, 1, 1))


def with_full_contrast(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A faint picture `(H, W, 3)` stretched about its mean until all but its extreme values fill 0 to 1."""
    deviations = picture - picture.mean()
    return np.clip(0.5 + 0.5 * deviations / max(float(np.quantile(np.abs(deviations), BRIGHTEST)), 1e-12), 0, 1)


def value_range(normalize: Normalize, channels: int) -> tuple[Tensor, Tensor]:
    """What black and white become in each channel when a picture is normalised, two tensors `(channels,)`."""
    ends = torch.tensor([0.0, 255.0]).view(2, 1, 1, 1).expand(2, channels, 1, 1)
    low, high = normalize({"pixel_values": ends})["pixel_values"][:, :, 0, 0]
    return low, high


def shown_map(values: Tensor) -> NDArray[np.float32]:
    """A map of values of at least 0, `(H, W)`, from 0 to 1."""
    values = values.float().cpu()
    brightest = torch.quantile(values.flatten(), BRIGHTEST)
    return (values / (brightest if brightest > 0 else values.max().clamp(min=1e-12))).clamp(0, 1).numpy()


def shown_signed(values: Tensor) -> NDArray[np.float32]:
    """A signed map `(C, H, W)` as colours `(H, W, 3)`: gray is 0."""
    values = values.float().cpu()
    strongest = torch.quantile(values.abs().flatten(), BRIGHTEST).clamp(min=1e-12)
    return _as_colours(0.5 + 0.5 * values / strongest)


def _as_colours(pixels: Tensor) -> NDArray[np.float32]:
    return pixels.clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).numpy()  # (H, W, 3)
