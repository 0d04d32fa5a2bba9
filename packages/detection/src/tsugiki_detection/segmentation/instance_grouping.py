"""From maps of pixels to objects: centres, and the pixels that point at them (Panoptic-DeepLab, Cheng et al. 2020).

A centre is a pixel of an object whose heat is the highest in a window about it (section 3.2 of the paper). Each pixel
of an object goes to the centre next to where its offset points. An object has the class that its pixels have on the
whole, and the paper's score: the probability of that class times the heat of the centre.

Three rules keep what is plain without a network from going wrong: a pixel goes to a centre of its own connected part of
the foreground; a part without a centre gets one where its heat is highest; and a centre whose offset points at a better
one is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

CENTER_WINDOW = 7  # pixels a side, as in the paper
LEAST_HEAT = 0.1  # of a centre, as in the paper
MOST_OBJECTS = 2**16 - 1
_TOUCHING = np.ones((3, 3), bool)  # pixels that meet at a corner belong together


@dataclass(frozen=True)
class Instances:
    """The objects of a picture, best first, none of which overlap.

    Attributes:
        numbers: k in the pixels of the k-th object, 0 elsewhere, uint16 (H, W).
        scores: 0 to 1 (K,).
        classes: (K,).
    """

    numbers: NDArray[np.uint16]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]

    def at_least(self, threshold: float) -> Instances:
        """Those with such a score."""
        count = int((self.scores >= threshold).sum())
        numbers = np.where(self.numbers <= count, self.numbers, 0).astype(np.uint16)
        return Instances(numbers, self.scores[:count], self.classes[:count])

    def resized(self, height: int, width: int) -> Instances:
        """In a picture of another size, by the nearest pixel; those that have none left are gone."""
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for new, old in zip((height, width), self.numbers.shape, strict=True)
        )
        return renumbered(self.numbers[rows[:, None], columns], self.scores, self.classes)


def renumbered(numbers: NDArray[np.generic], scores: NDArray[np.float64], classes: NDArray[np.int64]) -> Instances:
    """Objects 1, 2, … in the order of their scores (K,), those without a pixel left out.

    Args:
        numbers: k in the pixels of the object with the k-th score (H, W).
        scores: (K,).
        classes: (K,).
    """
    there = np.bincount(numbers.ravel(), minlength=len(scores) + 1)[1:] > 0
    order = np.argsort(np.where(there, -scores, np.inf), kind="stable")[: min(int(there.sum()), MOST_OBJECTS)]
    table = np.zeros(len(scores) + 1, np.uint16)
    table[order + 1] = np.arange(1, len(order) + 1)
    return Instances(table[numbers], scores[order], classes[order])


def find_instances(
    logits: Tensor, center_logits: Tensor, offsets: Tensor, *, mask_threshold: float = 0.5, window: int = CENTER_WINDOW
) -> Instances:
    """The objects of one picture.

    Args:
        logits: (C + 1, H, W), the last of the background.
        center_logits: (H, W).
        offsets: (2, H, W), down and right in pixels.
        mask_threshold: Least probability of not being background that makes a pixel one of an object.
        window: Pixels a side of the window in which a centre is the highest.
    """
    shares = logits.detach().float().softmax(0).cpu().numpy().astype(np.float64)  # (C + 1, H, W)
    heat = center_logits.detach().float().sigmoid().cpu().numpy().astype(np.float64)
    moved = np.nan_to_num(offsets.detach().float().cpu().numpy().astype(np.float64), posinf=0.0, neginf=0.0)
    inside = 1 - shares[-1] >= mask_threshold  # (H, W)
    numbers, centers = group_pixels(inside, heat, moved, window=window)
    own = numbers[inside]
    pixels = np.maximum(np.bincount(own, minlength=len(centers) + 1), 1)
    means = np.stack([np.bincount(own, one[inside], len(centers) + 1) / pixels for one in shares[:-1]])[:, 1:]  # (C, K)
    if not len(centers):
        return Instances(numbers.astype(np.uint16), np.zeros(0), np.zeros(0, np.int64))
    return renumbered(numbers, means.max(0) * centers, means.argmax(0))


def group_pixels(
    inside: NDArray[np.bool_],
    heat: NDArray[np.float64],
    offsets: NDArray[np.float64],
    *,
    window: int = CENTER_WINDOW,
    least_heat: float = LEAST_HEAT,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each pixel of the foreground to a centre.

    Args:
        inside: The foreground (H, W).
        heat: 0 to 1 (H, W).
        offsets: (2, H, W), down and right in pixels.
        window: See `find_instances`.
        least_heat: Of a centre, where its part of the foreground has a better one.

    Returns:
        k in the pixels of the k-th centre, 0 in the background (H, W), and the heat of each centre (K,).
    """
    parts, count = ndimage.label(inside, _TOUCHING)
    if not count:
        return np.zeros(inside.shape, np.int64), np.zeros(0)
    pixels = _centers(parts, count, heat, window, least_heat)
    apart = 4.0 * sum(inside.shape) + 2 * float(np.abs(offsets).max())  # further than any offset leads

    def placed(rows: NDArray[np.int64], columns: NDArray[np.int64], shift: float) -> NDArray[np.float64]:
        """Pixels in space, each connected part at a height of its own (P, 3)."""
        places = [rows + shift * offsets[0, rows, columns], columns + shift * offsets[1, rows, columns]]
        return np.stack([parts[rows, columns] * apart, *places], 1)

    rows, columns = pixels
    warmth = heat[rows, columns]
    nearest = cKDTree(placed(rows, columns, 0.0)).query(placed(rows, columns, 1.0))[1]
    kept = warmth[nearest] <= warmth
    rows, columns, warmth = rows[kept], columns[kept], warmth[kept]
    every_row, every_column = np.nonzero(inside)
    numbers = np.zeros(inside.shape, np.int64)
    numbers[inside] = cKDTree(placed(rows, columns, 0.0)).query(placed(every_row, every_column, 1.0))[1] + 1
    return numbers, warmth


def _centers(
    parts: NDArray[np.int32], count: int, heat: NDArray[np.float64], window: int, least_heat: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the centres; of pixels beside each other that are alike, the first."""
    warm = np.where(parts > 0, heat, -1.0)
    peaks = (warm >= least_heat) & (warm == ndimage.maximum_filter(warm, window, mode="constant", cval=-1.0))
    flat, found = ndimage.label(peaks, _TOUCHING)
    first = np.unique(flat.ravel(), return_index=True)[1][-found:] if found else np.zeros(0, np.int64)
    rows, columns = np.divmod(first, heat.shape[1])
    empty = np.setdiff1d(np.arange(1, count + 1), parts[rows, columns])
    if len(empty):
        added = np.array(ndimage.maximum_position(warm, parts, empty), np.int64).reshape(-1, 2)
        rows, columns = np.append(rows, added[:, 0]), np.append(columns, added[:, 1])
    return rows, columns
