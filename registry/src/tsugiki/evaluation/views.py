"""Test-time augmentation: the answers to several views of every picture, averaged.

The views are made of the prepared inputs, on the device: mirrored, cut a little to every side, resized. The mean is
that of the probabilities, as in Krizhevsky et al. 2012 (section 4.1), and comes back as logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import OptionError


@dataclass(frozen=True)
class Views:
    """Which views of a picture a model sees.

    Attributes:
        flip: The mirror image of every other view as well.
        crop: Four more views, cut at the corners after padding every side by so many pixels with what lies there.
        sizes: Sides in pixels to which the picture is resized, one view each, such as SPP-net's (He et al. 2014,
            section 3.1.2). By default its own size only.
    """

    flip: bool = False
    crop: int = 0
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.crop < 0 or any(size < 1 for size in self.sizes):
            raise OptionError(f"crop must not be negative and sizes must be positive, not {self.crop}, {self.sizes}")

    def __bool__(self) -> bool:
        return self != Views()

    def __len__(self) -> int:
        """How many views there are of one picture."""
        return (1 + self.flip) * (5 if self.crop else 1) * max(1, len(self.sizes))

    def of(self, pixel_values: Tensor) -> Iterator[Tensor]:
        """The views of prepared pictures (N, C, H, W), each of that shape or of another size."""
        for size in self.sizes or (None,):
            resized = pixel_values
            if size is not None and tuple(pixel_values.shape[2:]) != (size, size):
                resized = F.interpolate(pixel_values, (size, size), mode="bilinear", antialias=True)
            for cut in self._cut(resized):
                yield cut
                if self.flip:
                    yield cut.flip(-1)

    def _cut(self, pixel_values: Tensor) -> Iterator[Tensor]:
        yield pixel_values
        if self.crop:
            height, width = pixel_values.shape[2:]
            padded = F.pad(pixel_values, (self.crop,) * 4, mode="replicate")
            for top in (0, 2 * self.crop):
                for left in (0, 2 * self.crop):
                    yield padded[:, :, top : top + height, left : left + width]


def average_probabilities(logits: list[Tensor]) -> Tensor:
    """Logits (N, C) of the mean of the probabilities that several (N, C) stand for."""
    stacked = torch.stack([one.float().log_softmax(-1) for one in logits])  # (views, N, C)
    return stacked.logsumexp(0) - math.log(len(logits))
