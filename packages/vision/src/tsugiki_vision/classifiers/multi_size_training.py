"""Training of one network at several picture sizes (He et al. 2014, section 2.3, multi-size training).

A batch has pictures of one size, and a whole epoch has one, so that no batch waits for padding; the next epoch has the
next size, with the same weights. Pictures are resized on the device, after their augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from tsugiki.errors import OptionError
from tsugiki.tensor_table import Batch, RowAugmentation
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions


@dataclass(frozen=True)
class MultiSize:
    """An augmentation that gives each epoch's pictures one of several sizes, in turn.

    Attributes:
        sizes: Pixels a side, one after the other.
        augmentation: What changes the pictures before, at their own size.
    """

    sizes: tuple[int, ...]
    augmentation: RowAugmentation | None = None

    def __call__(self, batch: Batch, *, rows: Tensor, epoch: int, seed: int) -> Batch:
        """Resize ``pixel_values`` (B, C, H, W) to (B, C, S, S) of this epoch's S; other columns pass through."""
        if self.augmentation is not None:
            batch = self.augmentation(batch, rows=rows, epoch=epoch, seed=seed)
        return {**batch, "pixel_values": resize(batch["pixel_values"], self.sizes[epoch % len(self.sizes)])}


def resize(pixels: Tensor, size: int) -> Tensor:
    """Pictures (B, C, H, W) at `size` pixels a side, bilinear, smoothed first where they shrink; the range is kept."""
    if pixels.shape[2:] == (size, size):
        return pixels
    return F.interpolate(pixels.float(), size=(size, size), mode="bilinear", align_corners=False, antialias=True)


@dataclass(frozen=True)
class MultiSizeOptions(TrainerOptions):
    """What `train_multi_size` takes besides the arguments of `fit`.

    Attributes:
        image_sizes: Pixels a side, one for each epoch, in turn; without it all pictures keep the table's size.
    """

    image_sizes: Sequence[int] | None = None


def train_multi_size(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train a network that takes pictures of any size.

    Args:
        model: The model, whose config has a `minimum_size`.
        job: Its rows are pictures of one size with labels, at which it also validates.

    Raises:
        OptionError: ``image_sizes`` are no sizes that the model takes, or another option is wrong.
    """
    options, job = job.split_options(MultiSizeOptions)
    if options.image_sizes is not None:
        sizes = check_sizes(options.image_sizes, model.config.minimum_size)
        table = job.train
        job = replace(job, train=table.with_augmentation(MultiSize(sizes, table.augmentation), seed=table.seed))
    return fit(model, job)


def check_sizes(sizes: Any, minimum_size: int) -> tuple[int, ...]:
    """Sizes as whole numbers.

    Raises:
        OptionError: They are not one or more whole numbers from `minimum_size` on.
    """
    whole = isinstance(sizes, Sequence) and all(isinstance(size, int) and size >= minimum_size for size in sizes)
    if not whole or not sizes:
        raise OptionError(
            f"image_sizes must be one or more whole numbers of at least {minimum_size}, the smallest picture that this "
            f"network takes, not {sizes!r}"
        )
    return tuple(sizes)
