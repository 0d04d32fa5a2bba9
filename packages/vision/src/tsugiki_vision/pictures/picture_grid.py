"""Small pictures side by side in one, pixel for pixel."""

from __future__ import annotations

import math

import numpy as np
import PIL.Image
from torch import Tensor

GAP = 2  # pixels between two pictures, before scaling
LEAST_SIDE = 56  # to which small pictures are enlarged
BACKGROUND = 64  # a gray that neither black nor white pictures run into


def picture_grid(pictures: Tensor, *, columns: int | None = None) -> PIL.Image.Image:
    """Lay pictures out in rows from left to right.

    Args:
        pictures: From 0 to 1, gray or in colours (N, 1 or 3, H, W), N at least 1.
        columns: Pictures in a row; by default as many as make the grid a square.

    Returns:
        A gray or RGB image, small pictures enlarged by a whole number.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    count, channels, height, width = pictures.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), BACKGROUND, dtype=np.uint8)
    pixels = (pictures.detach().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    for number, picture in enumerate(pixels):
        row, column = divmod(number, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        canvas[top : top + height, left : left + width] = picture
    scale = max(1, -(-LEAST_SIDE // min(height, width)))
    canvas = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    return PIL.Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
