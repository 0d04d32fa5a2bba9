"""The loss of networks that name the class of each pixel, and the config field and output that they share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from tsugiki.classification_loss import require_single_labels
from tsugiki.tensor_table import IGNORED

IGNORED_PIXEL = 255  # of masks of 8 bits, as in Pascal VOC and Cityscapes; -100 is taken too
MOST_CLASSES = IGNORED_PIXEL
_SMOOTHING = 1.0  # pixels; a class that is neither there nor answered has no loss


@dataclass(kw_only=True, repr=False)
class SegmentationLossConfig:
    """The config field of the loss. Inherit from it before `PreTrainedConfig`."""

    dice_weight: float | int = 1.0  # of the soft Dice loss beside the cross entropy; 0 leaves it out

    def validate_dice_weight(self) -> None:
        """Refuse a weight that would turn the loss round."""
        if self.dice_weight < 0:
            raise ValueError(f"dice_weight must not be negative, not {self.dice_weight}.")


class SegmentationModel(PreTrainedModel):
    """A model whose input are pictures, with examples of them for export and checks."""

    main_input_name = "pixel_values"
    input_modalities = "image"
    accepts_loss_kwargs = False

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Four pictures, whose sides are no multiples of anything, with a class for each pixel."""
        generator = torch.Generator().manual_seed(0)
        height, width = 44, 36
        pictures = torch.randn((4, self.config.num_channels, height, width), generator=generator)
        labels = torch.randint(self.config.num_labels or 1, (4, height, width), generator=generator)
        labels[:, :2] = IGNORED
        return {"pixel_values": pictures, "labels": labels}


def segmentation_loss(logits: Tensor, labels: Tensor, dice_weight: float) -> Tensor:
    """The mean cross entropy in nats over all pixels with a class, plus the weighted soft Dice loss.

    The Dice loss (Milletari, Navab and Ahmadi 2016, V-Net, section 3) is 1 - 2 sum(p y) / (sum(p) + sum(y)) over all
    pixels of the batch, its mean over the classes: unlike the cross entropy it gives a small class the weight of a
    large one.

    Args:
        logits: `(N, C, H, W)`.
        labels: Class numbers `(N, H, W)`, of any integer type; -100 and 255 ask for nothing.
        dice_weight: 0 leaves the Dice loss out.

    Returns:
        A scalar in float32; 0, with zero gradients, where no pixel has a class.

    Raises:
        ValueError: The labels have another shape.
    """
    if labels.shape != (len(logits), *logits.shape[2:]):
        raise ValueError(
            f"labels must be {(len(logits), *logits.shape[2:])}, a class number for each pixel, not "
            f"{tuple(labels.shape)}."
        )
    logits = logits.float()
    labels = labels.long()
    known = (labels != IGNORED) & (labels != IGNORED_PIXEL)  # (N, H, W)
    labels = labels.where(known, IGNORED)
    total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    loss = total / known.sum().clamp(min=1)
    if dice_weight:
        shares = logits.softmax(1) * known[:, None]  # (N, C, H, W)
        true = F.one_hot(labels.where(known, 0), logits.shape[1]).movedim(-1, 1) * known[:, None]
        joint, both = ((value.sum(dim=(0, 2, 3))) for value in (shares * true, shares + true))  # (C,)
        loss = loss + dice_weight * (1 - (2 * joint + _SMOOTHING) / (both + _SMOOTHING)).mean()
    return loss


def check_problem(config: object) -> None:
    """Refuse a ``problem_type`` other than one class a pixel with a ValueError."""
    require_single_labels(config, "the loss of a class for each pixel")
