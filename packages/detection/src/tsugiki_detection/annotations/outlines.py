"""Outlines of objects: polygons, run lengths and pixels, each from the other, by the mask functions of COCO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import mask
from numpy.typing import NDArray

from .annotation import Box, Outline

_OFFSET = 48  # of the letters that compressed run lengths are written in
_LAST_TWO = 2  # from the third run on, the difference to the last run but one is written


def polygon_box(polygons: Sequence[Sequence[float]]) -> Box:
    """The smallest box around polygons ``x1, y1, x2, y2, …``."""
    xs = [x for polygon in polygons for x in polygon[::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def polygon_area(polygon: Sequence[float]) -> float:
    """The area inside a polygon, by the shoelace formula, in square pixels."""
    xs, ys = np.asarray(polygon[::2], np.float64), np.asarray(polygon[1::2], np.float64)
    return abs(float(xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1))) / 2


def run_lengths(counts: str) -> list[int]:
    """COCO's compressed runs as numbers of pixels, background first, column by column.

    Raises:
        ValueError: It is no such text.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        code = ord(letter) - _OFFSET
        if not 0 <= code < 64:
            raise ValueError(f"{letter!r} is no sign of run lengths")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        if len(runs) > _LAST_TWO:
            value += runs[-2]
        if value < 0:
            raise ValueError("a run is shorter than nothing")
        runs.append(value)
        value = shift = 0
    if shift:
        raise ValueError("the run lengths break off")
    return runs


def outline_of_runs(counts: str | Sequence[int], size: Sequence[int]) -> Outline:
    """Run lengths, compressed or not, as an outline.

    Args:
        counts: As COCO has them.
        size: Height and width.

    Raises:
        ValueError: They do not fill a picture of that size.
    """
    height, width = size
    runs = run_lengths(counts) if isinstance(counts, str) else [int(run) for run in counts]
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(
            f"the run lengths hold {sum(runs):,} pixels, a picture of {width} x {height} {height * width:,}"
        )
    if isinstance(counts, str):
        return Outline(counts=counts, size=(height, width))
    made = mask.frPyObjects({"counts": runs, "size": [height, width]}, height, width)
    return Outline(counts=_text(made["counts"]), size=(height, width))


def outline_of_pixels(pixels: NDArray[np.bool_]) -> Outline:
    """Pixels (H, W) as run lengths."""
    made = mask.encode(np.asfortranarray(pixels, np.uint8))
    return Outline(counts=_text(made["counts"]), size=pixels.shape)


def outline_box(outline: Outline) -> tuple[Box, float]:
    """The smallest box around an outline, and the number of its pixels, or the area of its polygons."""
    if outline.polygons:
        return polygon_box(outline.polygons), sum(polygon_area(polygon) for polygon in outline.polygons)
    runs = {"counts": outline.counts.encode(), "size": list(outline.size)}
    x, y, w, h = (float(value) for value in mask.toBbox(runs))
    return (x, y, w, h), float(mask.area(runs))


def pixels_of(outline: Outline, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels (H, W) inside an outline, as COCO's functions draw it."""
    if outline.polygons:
        parts = mask.frPyObjects([list(polygon) for polygon in outline.polygons], height, width)
        runs = mask.merge(parts)
    else:
        runs = {"counts": outline.counts.encode(), "size": list(outline.size)}
    return np.asarray(mask.decode(runs), np.bool_)


def _text(counts: str | bytes) -> str:
    return counts.decode() if isinstance(counts, bytes) else counts
