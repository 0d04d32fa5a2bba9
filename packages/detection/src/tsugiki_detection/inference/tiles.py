"""Pictures that are larger than a detector's frame, looked at in tiles that overlap, and the answers joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.errors import OptionError
from tsugiki.task import ALL_ANSWERS

from ..boxes.box_formats import box_areas
from ..boxes.nms import batched_nms
from ..detectors.object_detection import ObjectDetection
from .detection_table import CORNERS

TILES_AT_ONCE = 8
BORDER = 0.01  # share of a tile's side; a box that comes so near to an inner border counts as cut by it
INSIDE = 0.8  # share of a cut box within another's from which it is a part of what that one is around


class Tile(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def tiles_of(width: int, height: int, size: int, overlap: float) -> list[Tile]:
    """Tiles that cover a picture, row by row; the last of each row and column ends at the picture's border.

    Args:
        width: Of the picture, in pixels.
        height: Likewise.
        size: Of a tile's sides; a picture that is no longer on a side is not cut there.
        overlap: Least share of a tile that the next one shows again, from 0 to below 1. What is no longer than this
            lies whole in some tile.

    Raises:
        OptionError: A tile has no pixel, or the next one would begin where it does.
    """
    if size < 1 or not 0 <= overlap < 1:
        raise OptionError(f"tiles are 1 pixel or more, with an overlap from 0 to below 1, not {size} and {overlap}")
    return [
        Tile(left, top, min(left + size, width), min(top + size, height))
        for top in _starts(height, size, overlap)
        for left in _starts(width, size, overlap)
    ]


def _starts(length: int, size: int, overlap: float) -> list[int]:
    """First pixels of tiles along a side, evenly spread."""
    room = max(0, length - size)
    count = -(-room // max(1, int(size * (1 - overlap)))) + 1
    return [round(room * number / max(1, count - 1)) for number in range(count)]


def detect_in_tiles(
    detect: Callable[[Sequence[Image.Image]], list[Answers]],
    picture: Image.Image,
    *,
    size: int,
    overlap: float = 0.2,
    whole: bool = True,
    iou_threshold: float = 0.6,
) -> Answers:
    """Find things in a picture part by part.

    Args:
        detect: Finds them in pictures: for each the answers ``{"label", "score", "box"}`` with ``xmin``, ``ymin``,
            ``xmax``, ``ymax`` in its pixels.
        picture: Of any size. One that is no larger than a tile is handed to `detect` as it is.
        size: Of a tile's sides, in pixels.
        overlap: See `tiles_of`.
        whole: Hand over the whole picture too, for what is larger than a tile.
        iou_threshold: See `join`.

    Returns:
        What was found, in pixels of the picture, best first; see `join`.

    Raises:
        OptionError: Tiles cannot be so.
    """
    tiles = tiles_of(picture.width, picture.height, size, overlap)
    if len(tiles) == 1:
        return detect([picture])[0]
    found = []
    for first in range(0, len(tiles), TILES_AT_ONCE):
        some = tiles[first : first + TILES_AT_ONCE]
        found += list(zip(some, detect([picture.crop(tile) for tile in some]), strict=True))
    if whole:
        everything = Tile(0, 0, picture.width, picture.height)
        found.append((everything, detect([picture])[0]))
    return join(found, picture.width, picture.height, iou_threshold)


def join(found: Sequence[tuple[Tile, Answers]], width: int, height: int, iou_threshold: float) -> Answers:
    """What was found in the tiles of a picture as what is in the picture.

    A box that ends at an inner border of its tile is a part of something, as far as the tile showed it. Where most of
    it (`INSIDE`) lies within a larger box of its class that another tile, or the whole picture, gave, it goes. Of those
    left, non-maximum suppression keeps the best of each class on each place.

    Args:
        found: By tile, in pixels of the tile.
        width: Of the picture.
        height: Likewise.
        iou_threshold: Of two boxes of one class that overlap by more, the better one is kept.

    Returns:
        Answers in pixels of the picture, best first.
    """
    answers = [_moved(answer, tile) for tile, some in found for answer in some]
    if not answers:
        return []
    tile_of = torch.tensor([number for number, (_, some) in enumerate(found) for _ in some])
    borders = torch.tensor([tile for tile, some in found for _ in some], dtype=torch.float64)
    names = sorted({str(one["label"]) for one in answers})
    classes = torch.tensor([names.index(str(one["label"])) for one in answers])
    boxes = torch.tensor([[one["box"][side] for side in CORNERS] for one in answers], dtype=torch.float64)
    scores = torch.tensor([one["score"] for one in answers], dtype=torch.float64)
    part = _is_cut(boxes, borders, width, height)
    left = torch.tensor(
        [not (part[row] and _lies_in_another(row, boxes, classes, tile_of)) for row in range(len(answers))]
    ).nonzero()[:, 0]
    kept = left[batched_nms(boxes[left], scores[left], classes[left], iou_threshold)]
    return [answers[row] for row in kept.tolist()]


def _moved(answer: dict[str, Any], tile: Tile) -> dict[str, Any]:
    box = answer["box"]
    shift = dict(zip(CORNERS, (tile.left, tile.top, tile.left, tile.top), strict=True))
    return {**answer, "box": {side: box[side] + shift[side] for side in CORNERS}}


def _is_cut(boxes: Tensor, borders: Tensor, width: int, height: int) -> Tensor:
    """Which boxes (K, 4) end where their tile (K, 4) does and the picture does not."""
    inner = borders != torch.tensor([0, 0, width, height])
    sides = (borders[:, 2:] - borders[:, :2]).repeat(1, 2)
    return (inner & ((boxes - borders).abs() <= (BORDER * sides).clamp(min=1))).any(1)


def _lies_in_another(row: int, boxes: Tensor, classes: Tensor, tile_of: Tensor) -> bool:
    """Whether a box lies within a larger one of its class of another tile."""
    areas = box_areas(boxes)
    low, high = torch.maximum(boxes[:, :2], boxes[row, :2]), torch.minimum(boxes[:, 2:], boxes[row, 2:])
    common = (high - low).clamp(min=0).prod(1)
    larger = (classes == classes[row]) & (tile_of != tile_of[row]) & (areas > areas[row])
    return bool((larger & (common >= INSIDE * areas[row])).any())


@dataclass(eq=False)
class TiledDetection(ObjectDetection):
    """Object detection that answers in tiles; all else is the task's.

    Attributes:
        size: Of a tile's sides, in pixels.
        overlap: See `tiles_of`.
        whole: See `detect_in_tiles`.
    """

    size: int
    overlap: float = 0.2
    whole: bool = True

    def __post_init__(self) -> None:
        super().__init__()
        tiles_of(1, 1, self.size, self.overlap)

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Find things in pictures, each in its tiles; see `ObjectDetection.answer`."""
        iou = float(getattr(processor, "iou_threshold", 0.6))

        def detect(parts: Sequence[Image.Image]) -> list[Answers]:
            return super(TiledDetection, self).answer(model, processor, parts, top_k=ALL_ANSWERS)

        return [
            detect_in_tiles(detect, picture, size=self.size, overlap=self.overlap, whole=self.whole, iou_threshold=iou)[
                :top_k
            ]
            for picture in inputs
        ]
