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


def single_polygon(outline: Outline, height: int, width: int) -> tuple[float, ...]:
    """An outline as one polygon; empty where none has the same pixels.

    Several polygons, and the rims of pixels, are joined by lines that are walked to and fro, and so enclose nothing.
    """
    if len(outline.polygons) == 1:
        return outline.polygons[0]
    pixels = pixels_of(outline, height, width)
    loops = [list(polygon) for polygon in outline.polygons] or [list(loop) for loop in rims(pixels)]
    if not loops:
        return ()
    joined = list(loops[0])
    for loop in loops[1:]:
        joined += [*loops[0][:2], *loop, *loop[:2]]
    made = Outline((tuple(joined),))
    return made.polygons[0] if np.array_equal(pixels_of(made, height, width), pixels) else ()


def rims(pixels: NDArray[np.bool_]) -> list[list[float]]:
    """Closed ways ``x1, y1, x2, y2, …`` along the edges of pixels (H, W), around all that are set and all holes."""
    padded = np.pad(pixels, 1)
    inside = padded[1:-1, 1:-1]
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Clockwise: each side of a pixel whose neighbour is not set, from one of its corners to another.
    for neighbour, start, end in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    ):
        for y, x in np.argwhere(inside & ~neighbour).tolist():
            following.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    found = []
    while following:
        first = here = next(iter(following))
        way: list[tuple[int, int]] = []
        while not way or here != first:
            way.append(here)
            ends = following[here]
            there = ends.pop()
            if not ends:
                del following[here]
            here = there
        corners = [
            point
            for before, point, after in zip([way[-1], *way[:-1]], way, [*way[1:], way[0]], strict=True)
            if before[0] != after[0] and before[1] != after[1]
        ]
        found.append([float(value) for point in corners for value in point])
    return found


def _text(counts: str | bytes) -> str:
    return counts.decode() if isinstance(counts, bytes) else counts
