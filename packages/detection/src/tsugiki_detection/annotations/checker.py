"""What is wrong with labels: boxes, pictures, splits.

A box may reach beyond its picture by less than a pixel, which is how fractions are rounded. A picture without objects
is background, and as many objects as one likes are no error.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tsugiki.errors import DataError

from .annotation import AnnotatedPicture, Annotation, Box, Finding, Size
from .outlines import polygon_box

MARGIN = 1.0  # pixels that a box stays below when it reaches beyond its picture
_NO_AREA = 1e-6  # pixels
_SHARE_OUTSIDE = 0.2  # of boxes, from which on a whole split may be written in another way
_SHARE_AS_CORNERS = 0.95

OUTSIDE = "box outside the picture"
MASK_SIZE = "mask of another size"

Written = Callable[[Box], Sequence[float]]


def check_pictures(splits: Mapping[str, Sequence[AnnotatedPicture]], written: Written = tuple) -> list[Finding]:
    """All that is wrong with boxes and pictures; measures the pictures.

    Args:
        splits: Pictures by split; their `AnnotatedPicture.size` is set where it is not yet.
        written: The four numbers of a box as its format writes them.
    """
    findings: list[Finding] = []
    for pictures in splits.values():
        of_split: list[Finding] = []
        for picture in pictures:
            if (fault := measure(picture)) is not None:
                of_split.append(fault)
            else:
                of_split.extend(_check_picture(picture, written))
        if (fault := _corners_as_sizes(pictures, of_split, written)) is not None:
            of_split = [fault, *(one for one in of_split if one.kind != OUTSIDE)]
        findings += of_split
    return findings + list(_in_two_splits(splits))


def measure(picture: AnnotatedPicture) -> Finding | None:
    """Set the size of an upright picture by its header, or say why there is none."""
    from tsugiki.images import upright_size

    if picture.size is not None:
        return None
    try:
        picture.size = upright_size(picture.source, name="the picture")
    except DataError:
        name = f" {picture.file_name}" if picture.file_name else ""
        return Finding(picture.place, "picture that does not open", f"the picture{name} does not open", picture)
    return None


def _check_picture(picture: AnnotatedPicture, written: Written) -> Iterator[Finding]:
    from tsugiki.images import image_size

    assert picture.size is not None
    width, height = picture.size
    if width * height == 1:
        yield Finding(picture.place, "picture of one pixel", f"{picture.file_name} is one pixel", picture)
        return
    unturned = _unturned(picture)
    if picture.declared not in (None, picture.size):
        declared = "{} x {}".format(*picture.declared or ())
        if picture.declared == unturned:
            text = f"the labels are of {picture.file_name} before EXIF turns it: {declared}, not {width} x {height}"
            yield Finding(picture.place, "labels of an unturned picture", text, picture)
        else:
            text = f"the labels say {declared}, but {picture.file_name} is {width} x {height}"
            yield Finding(picture.place, "declared size unlike the picture's", text, picture)
        return
    faults = {id(one): _box_fault(one.box, picture.size, written) for one in picture.annotations}
    outside = [one for one in picture.annotations if (fault := faults[id(one)]) and fault[0] == OUTSIDE]
    if outside and unturned != picture.size and not any(_box_fault(one.box, unturned, written) for one in outside):
        text = f"its boxes fit {picture.file_name} only before EXIF turns it to {width} x {height}"
        yield Finding(picture.place, "labels of an unturned picture", text, picture)
        return
    for name, mask in picture.masks.items():
        if (size := image_size(mask)) != picture.size:
            text = f"its {name} is {size[0]} x {size[1]}, but {picture.file_name} is {width} x {height}"
            yield Finding(picture.place, MASK_SIZE, text, picture)
    seen: dict[tuple[object, ...], Annotation] = {}
    for one in picture.annotations:
        if (fault := faults[id(one)]) is not None:
            yield Finding(one.place, *fault, picture, one)
        elif one.outline is not None and one.outline.size and one.outline.size != (height, width):
            of_mask = " x ".join(map(str, reversed(one.outline.size)))
            text = f"its mask is {of_mask}, but {picture.file_name} is {width} x {height}"
            yield Finding(one.place, MASK_SIZE, text, picture, one)
        elif one.outline and one.outline.polygons and not _inside(polygon_box(one.outline.polygons), width, height):
            text = f"a point of its outline lies outside the picture of {width} x {height}"
            yield Finding(one.place, "outline outside the picture", text, picture, one)
        elif not picture.masks:  # pixels of two objects may well have one box
            key = (one.category, *(round(value, 3) for value in one.box))
            if (first := seen.setdefault(key, one)) is not one:
                text = f"this box of {one.category!r} is a second time the one at {first.place}"
                yield Finding(one.place, "box twice", text, picture, one)


def _unturned(picture: AnnotatedPicture) -> Size:
    """Width and height of a picture before EXIF turns it; looked up only where labels contradict the upright one."""
    from tsugiki.images import image_size

    assert picture.size is not None
    swapped = (picture.size[1], picture.size[0])
    fits = picture.declared in (None, picture.size) and not any(
        _box_fault(one.box, picture.size, tuple) for one in picture.annotations
    )
    if fits or swapped == picture.size:
        return picture.size
    return swapped if image_size(picture.source) == swapped else picture.size


def _box_fault(box: Box, size: Size, written: Written) -> tuple[str, str] | None:
    """What is wrong with a box, as kind and text; None where nothing is."""
    (x, y, w, h), (width, height) = box, size
    if not math.isfinite(x + y + w + h):
        return "box that is not finite", f"the box {shown(box)} holds what is no finite number"
    if w < 0 or h < 0:
        return "inverted box", f"the box {shown(box)} ends before it begins"
    if w < _NO_AREA or h < _NO_AREA:
        return "box without area", f"the box {shown(box)} has no area"
    if not _inside(box, width, height):
        hint = " (read as corners x1, y1, x2, y2 it is inside)" if _fit_as_corners(written(box), width, height) else ""
        return OUTSIDE, f"the box {shown(box)} reaches outside the picture of {width} x {height}{hint}"
    return None


def _inside(box: Box, width: int, height: int) -> bool:
    x, y, w, h = box
    return x > -MARGIN and y > -MARGIN and x + w < width + MARGIN and y + h < height + MARGIN


def shown(box: Sequence[float]) -> str:
    """A box as a message shows it."""
    return f"[{', '.join(f'{value:.6g}' for value in box)}] (x, y, width, height)"


def _fit_as_corners(numbers: Sequence[float], width: float, height: float) -> bool:
    x1, y1, x2, y2 = numbers
    return -MARGIN < x1 < x2 < width + MARGIN and -MARGIN < y1 < y2 < height + MARGIN


def _corners_as_sizes(
    pictures: Sequence[AnnotatedPicture], findings: Sequence[Finding], written: Written
) -> Finding | None:
    """Whether the boxes of a split are all corners, which were read as a corner and a size."""
    outside = [one for one in findings if one.kind == OUTSIDE]
    total = fitting = 0
    for picture in pictures:
        if picture.size is not None:
            total += len(picture.annotations)
            fitting += sum(_fit_as_corners(written(one.box), *picture.size) for one in picture.annotations)
    if len(outside) < 2 or len(outside) < _SHARE_OUTSIDE * total or fitting < _SHARE_AS_CORNERS * total:
        return None
    text = (
        f"{len(outside):,} of {total:,} boxes reach outside their pictures, and {fitting:,} fit when their numbers are "
        "read as corners x1, y1, x2, y2: write them as this format has them"
    )
    return Finding(outside[0].place, "corners read as sizes", text, fatal=True)


def _in_two_splits(splits: Mapping[str, Sequence[AnnotatedPicture]]) -> Iterator[Finding]:
    """Pictures whose file is the same in two splits; the one in the earlier, by which nothing is measured, is named."""
    by_length: dict[int, list[tuple[str, AnnotatedPicture]]] = {}
    for split, pictures in splits.items():
        for picture in pictures:
            by_length.setdefault(_length(picture), []).append((split, picture))
    for alike in by_length.values():
        if len({split for split, _ in alike}) < 2:
            continue
        later: dict[bytes, tuple[str, AnnotatedPicture]] = {}
        for split, picture in reversed(alike):
            digest = hashlib.blake2b(picture.content).digest()
            other_split, other = later.setdefault(digest, (split, picture))
            if other_split != split:
                text = (
                    f"{picture.file_name or 'the picture'} of {split} is in {other_split} too, there at {other.place}"
                )
                yield Finding(picture.place, "picture in two splits", text, picture)


def _length(picture: AnnotatedPicture) -> int:
    if isinstance(picture.source, Path):
        return picture.source.stat().st_size
    if (content := picture.source.get("bytes")) is not None:
        return len(content)
    return Path(picture.source["path"]).stat().st_size
