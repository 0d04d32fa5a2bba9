"""Boxes drawn into a picture, each with its class and score, in a colour for each class."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

# Okabe and Ito's colours, which people who see few colours tell apart too; black and gray left out.
COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
_SMALLEST = 10  # pixels of the writing


def color_of(label: str) -> str:
    """The colour of a class, the same in every picture."""
    return COLORS[zlib.crc32(label.encode()) % len(COLORS)]


def draw_boxes(picture: Image.Image, answers: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The picture with its boxes.

    Args:
        picture: Any.
        answers: ``label``, ``score`` and ``box`` with ``xmin``, ``ymin``, ``xmax``, ``ymax`` in pixels.

    Returns:
        A new picture in colour; the weakest box is drawn first.
    """
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    width = max(1, round(min(drawn.size) / 200))
    font = ImageFont.load_default(max(_SMALLEST, round(min(drawn.size) / 30)))
    for one in sorted(answers, key=lambda answer: answer["score"]):
        box, color = one["box"], color_of(one["label"])
        corners = [box["xmin"], box["ymin"], max(box["xmax"], box["xmin"]), max(box["ymax"], box["ymin"])]
        draw.rectangle(corners, outline=color, width=width)
        text = f"{one['label']} {one['score']:.2f}"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        wide, high = right - left + 2 * width, bottom - top + 2 * width
        x = min(max(0.0, corners[0]), max(0, drawn.width - wide))
        y = corners[1] - high if corners[1] >= high else corners[1]
        draw.rectangle([x, y, x + wide, y + high], fill=color)
        draw.text((x + width - left, y + width - top), text, fill="black", font=font)
    return drawn
