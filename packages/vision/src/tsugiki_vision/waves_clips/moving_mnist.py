"""Moving digits: clips made by rule from MNIST, in which the direction of motion is the class.

A digit moves over a torus: what leaves a frame on one side comes back on the other. Its start is uniform over all
places, drawn apart from its direction and speed; so its place in *every* single frame is uniform too, whatever the
direction: start + t * step, modulo the side, is a shift of a uniform place. One frame hence says nothing about the
direction, and neither does the digit, which is drawn apart from it. Only the order of frames does. (A digit that stops
or bounces at a border, or starts near its middle, would give itself away by where it is.)

`tsugiki/moving_mnist` has 12,000 clips of digits from MNIST's training part and 2,000 from its test part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.augmentation import counter_uniform
from tsugiki.data.load_data import load_split, made_dataset

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "ylecun/mnist"
CLIPS = {"train": 12_000, "test": 2_000}
FRAMES = 8
SIDE = 32  # pixels, of frames; digits have MNIST's 28
SPEEDS = (1, 2, 3)  # pixels a frame along each moving axis
DIRECTIONS = {  # row and column step; rows count downwards
    "up": (-1, 0),
    "up-right": (-1, 1),
    "right": (0, 1),
    "down-right": (1, 1),
    "down": (1, 0),
    "down-left": (1, -1),
    "left": (0, -1),
    "up-left": (-1, -1),
}
SEED = 2012  # of all draws


@made_dataset("train", "test")
def make_moving_mnist(split: str) -> Dataset:
    """One split: `frames` uint8 (8, 32, 32), the `direction`, and the `digit` and `speed` that say nothing about it.

    Clip k moves the k-th digit of MNIST's split. All draws depend on (split, k) alone.
    """
    from datasets import Array3D, ClassLabel, Dataset, Features, Value

    source = load_split(SOURCE, split).select(range(CLIPS[split]))
    digits = np.stack([np.asarray(picture) for picture in source["image"]])  # (N, 28, 28)
    draws = counter_uniform(torch.arange(len(digits)), 4, seed=SEED, epoch=0, stream=list(CLIPS).index(split)).numpy()
    directions = (draws[:, 0] * len(DIRECTIONS)).astype(np.int64)
    speeds = np.array(SPEEDS)[(draws[:, 1] * len(SPEEDS)).astype(np.int64)]
    starts = (draws[:, 2:] * SIDE).astype(np.int64)  # (N, 2)
    steps = np.array(list(DIRECTIONS.values()))[directions] * speeds[:, None]  # (N, 2)
    columns: dict[str, Any] = {
        "frames": move(digits, starts, steps),
        "direction": directions,
        "digit": source["label"],
        "speed": speeds,
    }
    features = Features(
        {
            "frames": Array3D((FRAMES, SIDE, SIDE), dtype="uint8"),
            "direction": ClassLabel(names=list(DIRECTIONS)),
            "digit": Value("int64"),
            "speed": Value("int64"),
        }
    )
    return Dataset.from_dict(columns, features=features)


def move(
    digits: NDArray[np.uint8],
    starts: NDArray[np.int64],
    steps: NDArray[np.int64],
    *,
    frames: int = FRAMES,
    side: int = SIDE,
) -> NDArray[np.uint8]:
    """Clips of pictures that move over a torus.

    Args:
        digits: Pictures (N, h, w), at most `side` pixels a side.
        starts: Row and column of their upper left corners in the first frame (N, 2).
        steps: Pixels that they move down and right from frame to frame (N, 2).
        frames: Frames of a clip.
        side: Pixels a side of a frame.

    Returns:
        uint8 (N, frames, side, side).
    """
    height, width = digits.shape[1:]
    canvas = np.zeros((len(digits), side, side), dtype=np.uint8)
    canvas[:, :height, :width] = digits
    clip = np.arange(len(digits))[:, None, None]
    pixels = np.arange(side)
    moved = []
    for time in range(frames):
        corners = starts + time * steps
        rows = (pixels - corners[:, :1]) % side  # (N, side): where each pixel of the frame is read from
        columns = (pixels - corners[:, 1:]) % side
        moved.append(canvas[clip, rows[:, :, None], columns[:, None, :]])
    return np.stack(moved, axis=1)
