"""Pictures whose pixels are numbers: of classes, or of objects."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .annotation import AnnotatedPicture, Annotation, Box
from .outlines import outline_of_pixels

VOID = 255  # the number of pixels that no class is said of
Color = tuple[int, int, int]


def read_numbers(source: Path | Mapping[str, Any], colors: Mapping[Color, int] | None = None) -> NDArray[Any]:
    """The numbers (H, W) that the pixels are: gray values, or places in a palette.

    Args:
        source: The file, or what `datasets` holds of it.
        colors: Numbers by color, for a picture of colors.

    Raises:
        ValueError: It does not decode, or has colors that are no numbers.
    """
    try:
        if isinstance(source, Path):
            opened = Image.open(source)
        else:
            content = source.get("bytes")
            opened = Image.open(io.BytesIO(content) if content is not None else source["path"])
        with opened as picture:
            pixels = np.asarray(picture)
    except Exception as error:  # Pillow raises many kinds
        raise ValueError("it does not decode as an image") from error
    if pixels.ndim == 3 and colors:
        return _by_color(pixels[..., :3], colors)
    if pixels.ndim == 3:
        shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
        if (shown != shown[..., :1]).any():
            raise ValueError("it has colors; save numbers, or say in labelmap.txt as name:r,g,b what they are")
        pixels = shown[..., 0]
    if pixels.dtype.kind == "f":
        if not np.array_equal(pixels, np.rint(pixels)):
            raise ValueError("its pixels are no whole numbers")
        pixels = pixels.astype(np.int64)
    return pixels.astype(np.uint8) if pixels.dtype == np.bool_ else pixels


def _by_color(pixels: NDArray[Any], colors: Mapping[Color, int]) -> NDArray[Any]:
    codes = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])  # (H, W)
    known = {(red << 16) + (green << 8) + blue: number for (red, green, blue), number in colors.items()}
    values, inverse = np.unique(codes, return_inverse=True)
    if unknown := [int(value) for value in values if int(value) not in known]:
        color = ",".join(str(unknown[0] >> shift & 255) for shift in (16, 8, 0))
        raise ValueError(f"the color {color} is none of labelmap.txt")
    return np.array([known[int(value)] for value in values], np.uint8)[inverse].reshape(codes.shape)


def png_of_numbers(numbers: NDArray[Any]) -> bytes:
    """Numbers (H, W) as a gray PNG of 8 bits, or of 16 where they are of that type."""
    buffer = io.BytesIO()
    Image.fromarray(numbers).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def consecutive(numbers: NDArray[Any]) -> tuple[NDArray[np.uint16], bool]:
    """Numbers of objects without gaps, in their order, and whether any were renumbered; 0 stays the background.

    Raises:
        ValueError: There are negative numbers, or more objects than 16 bits count.
    """
    lowest, highest = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if lowest < 0:
        raise ValueError(f"{lowest} is no number of an object")
    if highest < 2**20:
        values = np.flatnonzero(np.bincount(numbers.ravel(), minlength=1))  # quicker than to sort all pixels
    else:
        values = np.unique(numbers)
    values = values[values > 0]
    if len(values) >= 2**16:
        raise ValueError(f"{len(values):,} objects are more than 16 bits count")
    if len(values) == highest:
        return numbers.astype(np.uint16), False
    return np.searchsorted(values, numbers, "right").astype(np.uint16), True


def boxes_of_numbers(numbers: NDArray[np.uint16]) -> list[tuple[Box, int]]:
    """Box and number of pixels of each object 1, 2, … of consecutive numbers (H, W)."""
    places = np.flatnonzero(numbers)
    if not len(places):
        return []
    of_pixel = numbers.ravel()[places]
    order = np.argsort(of_pixel, kind="stable")
    ys, xs = np.divmod(places[order], numbers.shape[1])
    starts = np.flatnonzero(np.diff(of_pixel[order], prepend=0))
    lows = np.minimum.reduceat(xs, starts), np.minimum.reduceat(ys, starts)
    highs = np.maximum.reduceat(xs, starts), np.maximum.reduceat(ys, starts)
    areas = np.diff(starts, append=len(places))
    return [
        ((float(x1), float(y1), float(x2 - x1 + 1), float(y2 - y1 + 1)), int(area))
        for x1, y1, x2, y2, area in zip(*lows, *highs, areas, strict=True)
    ]


def with_outlines(picture: AnnotatedPicture) -> Sequence[Annotation]:
    """The objects of a picture, whose outlines are its column of numbers where they have no others.

    Raises:
        ValueError: The numbers are not those of its objects.
    """
    source = instance_mask(picture)
    if source is None or all(one.outline is not None for one in picture.annotations):
        return picture.annotations
    numbers = read_numbers(source)
    if int(numbers.max(initial=0)) != len(picture.annotations):
        raise ValueError(
            f"its mask counts {numbers.max(initial=0)} objects, and has boxes for {len(picture.annotations)}"
        )
    for number, one in enumerate(picture.annotations, 1):
        one.outline = one.outline or outline_of_pixels(numbers == number)
    return picture.annotations


def instance_mask(picture: AnnotatedPicture) -> Any:
    """The column of a picture that numbers its objects; None where it has none."""
    return picture.columns.get("instances", None if "classes" in picture.columns else picture.columns.get("mask"))
