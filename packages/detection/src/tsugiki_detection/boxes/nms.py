"""Non-maximum suppression: of boxes that cover each other, the best one stays.

The greedy rule says it all: the best box that is left stays, and strikes every other that overlaps it by more than the
threshold. Which boxes stay is index by index what the plain loop gives, and torchvision's and ONNX Runtime's operators:
overlaps are computed in the boxes' own precision and compared in float64, equal scores go by their order. What is quick
is how pairs that overlap are found. Where many boxes lie on one object, a few of the best strike nearly all others at
once; where they are scattered, boxes are compared with those of neighbouring cells of a grid alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_Ints = NDArray[np.int64]
_Span = tuple[_Ints, _Ints, _Ints, _Ints]  # boxes asked for, sorted members, and from where to where they are near

BLOCK = 64  # of the best boxes, which strike others at once
FEW = 2048  # boxes that are compared with every other one of a block
CELLS = 4
DENSE = 48  # pairs a box from which striking is quicker than listing them
MOST_ROUNDS = 40  # of settling a chain of pairs before it is walked box by box


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: Corners (N, 4), left, top, right, bottom; one without an area neither strikes nor is struck.
        scores: (N,); of equal ones the first counts as the better.
        iou_threshold: From 0 to 1; a box goes where it overlaps a better one that stays by more than this.

    Returns:
        Numbers of the boxes that stay, int64 (K,), best first.

    Raises:
        ValueError: Shapes do not fit, a number is not finite, or the threshold is out of range.
    """
    return batched_nms(boxes, scores, torch.zeros(len(boxes), dtype=torch.int64), iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each group alone, such as a class, or a class of a picture.

    Coordinates are not shifted apart by group, which would round them, so each group's boxes stay as if it were alone.

    Args:
        boxes: Corners (N, 4).
        scores: (N,).
        groups: Numbers of the groups, integers (N,).
        iou_threshold: From 0 to 1.

    Returns:
        Numbers of the boxes that stay, int64 (K,), best first over all groups.

    Raises:
        ValueError: As of `nms`.
    """
    _check(boxes, scores, groups, iou_threshold)
    if not len(boxes):
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    values = boxes.detach().cpu()
    corners = (values if values.dtype == torch.float64 else values.float()).numpy()
    order = np.argsort(-scores.detach().cpu().double().numpy(), kind="stable")
    kept = _kept(_Boxes.of(corners[order], groups.cpu().numpy()[order]), iou_threshold)
    return torch.from_numpy(order[kept]).to(boxes.device)


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    iou_threshold: float = 0.3,
    sigma: float | None = 0.5,
    score_threshold: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Soft-NMS: overlapping boxes lose score instead of going (Bodla et al. 2017, Improving object detection with one
    line of code, section 3).

    Args:
        boxes: Corners (N, 4).
        scores: (N,), 0 or more.
        iou_threshold: Of the linear rule: a box that overlaps the best by more loses the share that it overlaps.
        sigma: Of the Gaussian rule, exp(-iou² / sigma) times each score; None for the linear one.
        score_threshold: Boxes whose score falls below it go.

    Returns:
        Numbers of the boxes that stay, int64 (K,), by falling new score, and these scores (K,).

    Raises:
        ValueError: As of `nms`; `sigma` is not above 0.
    """
    _check(boxes, scores, torch.zeros(len(boxes), dtype=torch.int64), iou_threshold)
    if sigma is not None and not sigma > 0:
        raise ValueError(f"sigma must be above 0, not {sigma}")
    left = _Boxes.of(boxes.detach().cpu().double().numpy(), np.zeros(len(boxes), np.int64))
    left_scores = scores.detach().cpu().double().numpy().copy()
    numbers = np.arange(len(boxes))
    kept, final = [], []
    while len(numbers) and (best := int(left_scores.argmax())) >= 0 and left_scores[best] >= score_threshold:
        kept.append(int(numbers[best]))
        final.append(float(left_scores[best]))
        others = np.flatnonzero(np.arange(len(numbers)) != best)
        iou = np.nan_to_num(_iou(left, np.full(len(others), best), others))
        left, left_scores, numbers = left.take(others), left_scores[others], numbers[others]
        left_scores *= np.where(iou > iou_threshold, 1 - iou, 1.0) if sigma is None else np.exp(-(iou**2) / sigma)
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device), torch.tensor(
        final, dtype=scores.dtype, device=boxes.device
    )


class _Boxes(NamedTuple):
    """Boxes in order of their scores: corners, areas (N,), and the groups that do not touch each other."""

    left: NDArray
    top: NDArray
    right: NDArray
    bottom: NDArray
    area: NDArray
    group: _Ints

    @classmethod
    def of(cls, corners: NDArray, groups: _Ints) -> _Boxes:
        left, top, right, bottom = np.ascontiguousarray(corners.T)
        return cls(left, top, right, bottom, (right - left) * (bottom - top), groups)

    def take(self, rows: NDArray | slice) -> _Boxes:
        return _Boxes(*(column[rows] for column in self))


def _kept(boxes: _Boxes, threshold: float) -> _Ints:
    """Places of the boxes that stay, sorted; boxes come best first."""
    places = np.arange(len(boxes.left))
    # What has no area on either side overlaps nothing: its intersection is 0.
    solid = (boxes.right > boxes.left) & (boxes.bottom > boxes.top)
    kept = [places[~solid]]
    if kept[0].size:
        places, boxes = places[solid], boxes.take(solid)
    while len(places):
        few = len(places) <= FEW
        pairs = _all_pairs(len(places)) if len(places) <= BLOCK else _near_pairs(boxes, threshold, one_size=few)
        if pairs is not None:
            kept.append(places[_settle(*_overlapping(boxes, *pairs, threshold), len(places))])
            break
        best, left = (_strike_all if few else _strike_near)(boxes, threshold)
        kept.append(places[best])
        places, boxes = places[left], boxes.take(left)
    return np.sort(np.concatenate(kept))


def _strike_all(boxes: _Boxes, threshold: float) -> tuple[_Ints, _Ints]:
    """Which of the best boxes stay, and which of all others they do not strike, compared with every one of them."""
    best = _best_of_block(boxes.take(slice(0, BLOCK)), threshold)
    block, rest = boxes.take(best), boxes.take(slice(BLOCK, None))
    struck = (_matrix(block, rest).astype(np.float64) > threshold) & (block.group[:, None] == rest.group)
    return best, BLOCK + np.flatnonzero(~struck.any(0))


def _strike_near(boxes: _Boxes, threshold: float) -> tuple[_Ints, _Ints]:
    """Likewise, block after block until half of all boxes are gone, compared with those of cells near by alone."""
    count, begin, size = len(boxes.left), 0, BLOCK
    grid = _Grid(boxes, threshold)
    left = np.ones(count, bool)
    stays = []
    while begin < count and 2 * left.sum() > count:
        block = begin + np.flatnonzero(left[begin : begin + size])
        begin, size = begin + size, min(2 * size, FEW)
        best = block[_kept(boxes.take(block), threshold)]
        stays.append(best)
        left[block] = False
        better, worse = grid.around(best)
        open_ = left[worse]
        left[_overlapping(boxes, better[open_], worse[open_], threshold)[1]] = False
    return np.concatenate(stays), np.flatnonzero(left)


def _best_of_block(block: _Boxes, threshold: float) -> _Ints:
    count = len(block.left)
    return np.flatnonzero(_settle(*_overlapping(block, *_all_pairs(count), threshold), count))


def _matrix(block: _Boxes, rest: _Boxes) -> NDArray:
    """Overlap of every box of a block with every other (B, N)."""
    width = np.minimum(block.right[:, None], rest.right) - np.maximum(block.left[:, None], rest.left)
    height = np.minimum(block.bottom[:, None], rest.bottom) - np.maximum(block.top[:, None], rest.top)
    inner = np.maximum(width, 0, out=width)
    inner *= np.maximum(height, 0, out=height)
    return inner / (block.area[:, None] + rest.area - inner)


def _iou(boxes: _Boxes, first: _Ints, second: _Ints) -> NDArray:
    """Overlap of pairs (P,), in the boxes' own precision; nan where neither has an area."""
    width = np.minimum(boxes.right[first], boxes.right[second]) - np.maximum(boxes.left[first], boxes.left[second])
    height = np.minimum(boxes.bottom[first], boxes.bottom[second]) - np.maximum(boxes.top[first], boxes.top[second])
    inner = np.maximum(width, 0) * np.maximum(height, 0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return inner / (boxes.area[first] + boxes.area[second] - inner)


def _overlapping(boxes: _Boxes, better: _Ints, worse: _Ints, threshold: float) -> tuple[_Ints, _Ints]:
    """Of pairs those of one group that overlap by more than the threshold."""
    over = _iou(boxes, better, worse).astype(np.float64) > threshold
    over &= boxes.group[better] == boxes.group[worse]
    return better[over], worse[over]


def _all_pairs(count: int) -> tuple[_Ints, _Ints]:
    return np.triu_indices(count, 1)


def _near_pairs(boxes: _Boxes, threshold: float, *, one_size: bool) -> tuple[_Ints, _Ints] | None:
    """Better and worse boxes (P,) of all pairs that lie near each other, each once; None where they are too many."""
    grid = _Grid(boxes, threshold, one_size=one_size)
    spans = grid.spans(np.arange(len(boxes.left)))
    if sum(int((end - begin).sum()) for *_, begin, end in spans) > 2 * DENSE * len(boxes.left):
        return None
    first, second = _members(spans)
    once = first < second
    return first[once], second[once]


def _settle(better: _Ints, worse: _Ints, count: int) -> NDArray[np.bool_]:
    """Which boxes stay (count,), of pairs that exclude each other.

    A box with no better one against it stays and strikes its worse ones; struck ones strike nobody; and so on.
    """
    struck = np.zeros(count, bool)
    for _ in range(MOST_ROUNDS):
        if not len(better):
            return ~struck
        doubtful = np.zeros(count, bool)
        doubtful[worse] = True
        sure = ~doubtful[better]
        struck[worse[sure]] = True
        open_ = ~(struck[better] | struck[worse])
        better, worse = better[open_], worse[open_]
    order = np.argsort(better, kind="stable")
    better, worse = better[order], worse[order]
    starts = np.searchsorted(better, np.arange(count + 1))
    for one in np.unique(better).tolist():
        if not struck[one]:
            struck[worse[starts[one] : starts[one + 1]]] = True
    return ~struck


class _Grid:
    """Which boxes may overlap by more than a threshold, by the cells that their centres lie in.

    With an intersection over union above t, the common part of two boxes is more than t of the wider one's width and of
    the higher one's height. So their centres lie less than 1 - t of that apart, and the longer side of neither is
    shorter than t of the other's. Boxes are sorted by the power of two of their longer side; two of them meet in cells
    as wide as the larger one's size allows, of which only the nine around count.

    Args:
        boxes: Boxes, each with a width and a height.
        threshold: From 0 to 1.
        one_size: Take all for as large as the largest, which is quicker for a few.
    """

    def __init__(self, boxes: _Boxes, threshold: float, *, one_size: bool = False) -> None:
        self._x = (boxes.left.astype(np.float64) + boxes.right) / 2
        self._y = (boxes.top.astype(np.float64) + boxes.bottom) / 2
        side = np.maximum(boxes.right.astype(np.float64) - boxes.left, boxes.bottom.astype(np.float64) - boxes.top)
        reach = (1 - threshold if threshold > 0 else 1.0) * 1.001 + 1e-9  # a little more, for what is rounded
        if one_size:
            self._size = np.zeros(len(side), np.int64)
            self._levels = [_Level(0, 0, self._index(np.arange(len(side)), reach * side.max()), None)]
            return
        self._size = np.frexp(side)[1]  # the side lies in [2**(size - 1), 2**size)
        span = math.ceil(-math.log2(threshold)) + 1 if threshold > 0 else 2000
        self._levels = []
        for one in np.unique(self._size).tolist():
            cell = reach * 2.0**one
            lower = np.flatnonzero((self._size < one) & (self._size >= one - span))
            self._levels.append(
                _Level(
                    one,
                    one - span,
                    self._index(np.flatnonzero(self._size == one), cell),
                    self._index(lower, cell) if len(lower) else None,
                )
            )

    def spans(self, asked: _Ints) -> list[_Span]:
        """Where in the sorted cells the boxes are that some boxes (Q,) may overlap."""
        found = []
        size = self._size[asked]
        for level in self._levels:
            if len(own := asked[size == level.size]):
                found += level.same.around(own, self._x[own], self._y[own])
                if level.smaller is not None:
                    found += level.smaller.around(own, self._x[own], self._y[own])
            if len(other := asked[(size < level.size) & (size >= level.least)]):
                found += level.same.around(other, self._x[other], self._y[other])
        return found

    def around(self, asked: _Ints) -> tuple[_Ints, _Ints]:
        """Pairs (P,) of some boxes and all that each of them may overlap."""
        return _members(self.spans(asked))

    def _index(self, members: _Ints, cell: float) -> _Cells:
        return _Cells(members, self._x[members], self._y[members], max(cell, 1e-300))


class _Level(NamedTuple):
    """Boxes of one size, and the smaller ones that they may overlap, in cells of that size."""

    size: int
    least: int
    same: _Cells
    smaller: _Cells | None


class _Cells:
    """Boxes sorted by the square cell that their centre lies in, row by row; at most `CELLS` cells a box."""

    def __init__(self, members: _Ints, x: NDArray, y: NDArray, cell: float) -> None:
        self._left, self._top = x.min(), y.min()
        wide, high = x.max() - self._left, y.max() - self._top
        most = max(FEW, CELLS * len(members))
        self._cell = max(cell, math.sqrt(wide / most) * math.sqrt(high), wide / most, high / most)
        self._columns = int(wide / self._cell) + 5  # two empty ones on either side, for who asks from outside
        self._rows = int(high / self._cell) + 5
        key = self._place(x, y)
        self._members = members[np.argsort(key, kind="stable")]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=self._columns * self._rows))])

    def _place(self, x: NDArray, y: NDArray) -> _Ints:
        """Numbers of the cells of points; those outside lie in the border."""
        column = np.floor((x - self._left) / self._cell).clip(-1, self._columns - 4).astype(np.int64) + 2
        row = np.floor((y - self._top) / self._cell).clip(-1, self._rows - 4).astype(np.int64) + 2
        return row * self._columns + column

    def around(self, asked: _Ints, x: NDArray, y: NDArray) -> list[_Span]:
        """The places of the members in the nine cells around each point (Q,), three rows of three."""
        key = self._place(x, y)
        shifts = (-self._columns, 0, self._columns)
        return [
            (asked, self._members, self._starts[key + shift - 1], self._starts[key + shift + 2]) for shift in shifts
        ]


def _members(spans: list[_Span]) -> tuple[_Ints, _Ints]:
    """Pairs (P,) of the boxes that were asked for, and the members of each one's span of places."""
    first, second = [], []
    for asked, members, begin, end in spans:
        length = end - begin
        # Places begin, begin + 1, …, end - 1 for each, one after another.
        offset = np.repeat(begin - (np.cumsum(length) - length), length)
        first.append(np.repeat(asked, length))
        second.append(members[np.arange(len(offset)) + offset])
    return np.concatenate(first), np.concatenate(second)


def _check(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1] or groups.shape != scores.shape:
        raise ValueError(
            f"boxes must be (N, 4), scores and groups (N,), not {tuple(boxes.shape)}, {tuple(scores.shape)} and "
            f"{tuple(groups.shape)}"
        )
    if not 0 <= threshold <= 1:
        raise ValueError(f"iou_threshold must lie between 0 and 1, not at {threshold}")
    if not (boxes.isfinite().all() and scores.isfinite().all()):
        raise ValueError("boxes and scores must be finite numbers")
