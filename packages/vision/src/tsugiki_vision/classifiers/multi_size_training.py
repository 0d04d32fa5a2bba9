"""Training of one network at several picture sizes (He et al. 2014, section 2.3, multi-size training).

A batch has pictures of one size, and a whole epoch has one, so that no batch waits for padding; the next epoch has the
next size, with the same weights. Pictures are resized on the device, after their augmentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from tsugiki.errors import OptionError
from tsugiki.task import Task
from tsugiki.tensor_table import Batch, RowAugmentation, TensorTable
from tsugiki.training.fit import FitResult, fit

SIZES = "image_sizes"


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


def train_multi_size(
    model: PreTrainedModel,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train a network that takes pictures of any size.

    Args:
        model: The model, whose config has a `minimum_size`.
        train: Pictures of one size with labels, augmented if the table says so.
        output_dir: Folder of the run.
        arguments: What `tsugiki.training.fit` takes, and ``image_sizes``: pixels a side, one for each epoch, in turn.
            Without it, all pictures keep the table's size.
        validation: Rows to validate on, at the table's size.
        task: Scores them.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        OptionError: ``image_sizes`` are no sizes that the model takes, or another option is wrong.
    """
    options = dict(arguments)
    sizes = options.pop(SIZES, None)
    if sizes is not None:
        checked = check_sizes(sizes, model.config.minimum_size)
        train = train.with_augmentation(MultiSize(checked, train.augmentation), seed=train.seed)
    return fit(
        model,
        train,
        output_dir=output_dir,
        arguments=options,
        validation=validation,
        task=task,
        progress=progress,
        title=title,
    )


def check_sizes(sizes: Any, minimum_size: int) -> tuple[int, ...]:
    """Sizes as whole numbers.

    Raises:
        OptionError: They are not one or more whole numbers from `minimum_size` on.
    """
    whole = isinstance(sizes, Sequence) and all(isinstance(size, int) and size >= minimum_size for size in sizes)
    if not whole or not sizes:
        raise OptionError(
            f"{SIZES} must be one or more whole numbers of at least {minimum_size}, the smallest picture that this "
            f"network takes, not {sizes!r}"
        )
    return tuple(sizes)
