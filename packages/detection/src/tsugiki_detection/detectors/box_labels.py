"""Boxes of a table's rows as one padded tensor, which batches, processes and checkpoints take like any other.

A row of it is an object: its class, its box as centre and size in fractions of the frame, whether it is only there to
be ignored, its area and that of the whole frame in pixels of the picture itself. A picture without objects, and those
with fewer than others, are filled up with rows of class `IGNORED`; these hold the frame's area too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from tsugiki.tensor_table import IGNORED

CLASS = 0
BOX = slice(1, 5)
CROWD = 5  # 1 of an object that figures and losses ignore: COCO's iscrowd, VOC's difficult
AREA = 6
FRAME_AREA = 7
WIDTH = 8


def padded(rows: Sequence[Tensor], frame_areas: Sequence[float]) -> Tensor:
    """One tensor (N, M, `WIDTH`) of the objects of each picture (M_i, `WIDTH`), M the most of one, at least 1."""
    most = max([1, *(len(row) for row in rows)])
    labels = torch.zeros(len(rows), most, WIDTH)
    labels[:, :, CLASS] = IGNORED
    labels[:, :, FRAME_AREA] = torch.tensor(frame_areas, dtype=torch.float32)[:, None]
    for number, row in enumerate(rows):
        labels[number, : len(row)] = row
    return labels


def is_object(labels: Tensor) -> Tensor:
    """Which rows of labels (..., `WIDTH`) hold an object, ignored ones too, bool (...,)."""
    return labels[..., CLASS] >= 0
