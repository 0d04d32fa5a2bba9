"""A U-Net that tells objects apart, which are grouped as in Panoptic-DeepLab (Cheng et al. 2020).

For each pixel the network gives its class, how near it is to the centre of an object, and the offset to the centre of
its own. The highest points of the second become centres, and each pixel of an object goes to the centre that its offset
points at; see `tsugiki_detection.segmentation.instance_grouping`. Small objects that touch are told apart without
boxes.

Unlike the paper's, the body is a U-Net, and the heads share all of it. The heat of a centre spreads with its object's
size, as in CenterNet (Zhou et al. 2019), where the paper has 8 pixels for all, ends at the object's border, and is
learnt by cross entropy, as StarDist's object probability (Schmidt et al. 2018), not by squares.
"""

from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers.utils import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.tensor_table import IGNORED

from .instance_labels import LABEL_DIVISOR, MOST_CLASSES
from .instance_targets import instance_loss
from .segmentation_loss import check_problem
from .unet import UNetConfig, UNetModel, UNetPreTrainedModel


@strict
class InstanceUNetConfig(UNetConfig):
    """Sizes of a U-Net, and what its heads learn. The labels are the classes of objects; the background is none."""

    model_type = "tsugiki_instance_unet"

    head_size: int = 16  # channels of the layer before centres and offsets; 32 in the paper
    center_spread: float | int = 0.5  # deviation of a centre's heat, as a share of the object's radius
    center_weight: float | int = 1.0  # of the loss of centres beside that of classes
    offset_weight: float | int = 0.1  # of that of offsets in pixels; 0.01 in the paper, whose objects are larger
    score_threshold: float | int = 0.3  # least score of what `predict` shows, with the best F1 where it was measured

    def validate_heads(self) -> None:
        """Refuse settings that teach nothing."""
        if self.head_size < 1:
            raise ValueError(f"head_size must be at least 1, not {self.head_size}.")
        if self.center_spread <= 0:
            raise ValueError(f"center_spread must be above 0, not {self.center_spread}.")
        if min(self.center_weight, self.offset_weight) < 0:
            raise ValueError("center_weight and offset_weight must not be negative.")
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f"score_threshold must be from 0 to 1, not {self.score_threshold}.")
        if (self.num_labels or 1) > MOST_CLASSES:
            raise ValueError(f"there must be at most {MOST_CLASSES} classes, not {self.num_labels}.")


@dataclass
class InstanceUNetOutput(ModelOutput):
    """What is said of each pixel.

    Attributes:
        loss: Scalar, with labels.
        logits: Of the classes of objects and, last, the background `(B, num_labels + 1, H, W)`.
        center_logits: `(B, H, W)`; their sigmoid is 1 in the centre of an object.
        offsets: To the centre of the pixel's object, down and right in pixels `(B, 2, H, W)`.
        hidden_states: As `UNetModel` gives them.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    center_logits: Tensor | None = None
    offsets: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class InstanceUNetPreTrainedModel(UNetPreTrainedModel):
    """Weight initialisation and loading for the family."""

    config: InstanceUNetConfig

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Four pictures, whose sides are no multiples of anything, with two objects that touch in each."""
        generator = torch.Generator().manual_seed(0)
        pictures = torch.randn((4, self.config.num_channels, 44, 36), generator=generator)
        classes = torch.randint(self.config.num_labels or 1, (4, 2, 1, 1), generator=generator)
        labels = torch.zeros((4, 44, 36), dtype=torch.long)
        labels[:, 8:24, 5:18] = classes[:, 0] * LABEL_DIVISOR + 1
        labels[:, 12:30, 18:30] = classes[:, 1] * LABEL_DIVISOR + 2
        labels[:, :2] = IGNORED
        return {"pixel_values": pictures, "labels": labels}


class InstanceUNetModel(UNetModel, InstanceUNetPreTrainedModel):
    """The network below its heads: maps of the picture's own size, those of `UNetModel`."""

    config: InstanceUNetConfig
    _keys_to_ignore_on_load_unexpected = [r"^(classifier|centers)\."]  # noqa: RUF012


class CenterHead(nn.Sequential):
    """From maps `(B, D, H, W)` to the logits of centres and the offsets to them `(B, 3, H, W)`."""

    def __init__(self, config: InstanceUNetConfig) -> None:
        super().__init__(
            nn.Conv2d(config.width, config.head_size, 3, padding=1, bias=not config.batch_norm),
            nn.BatchNorm2d(config.head_size) if config.batch_norm else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.Conv2d(config.head_size, 3, 1),
        )


class InstanceUNetForInstanceSegmentation(InstanceUNetPreTrainedModel):
    """A U-Net that names the class of each pixel and points at the centre of its object."""

    def __init__(self, config: InstanceUNetConfig) -> None:
        super().__init__(config)
        self.unet = InstanceUNetModel(config)
        self.centers = CenterHead(config)
        self.classifier = nn.Conv2d(config.width, (config.num_labels or 1) + 1, 1)
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> InstanceUNetOutput:
        """Say of each pixel what it belongs to.

        Args:
            pixel_values: Normalised pictures `(B, num_channels, H, W)` of any size.
            labels: Whole numbers `(B, H, W)`: 0 the background, c * 65536 + k the k-th object of a picture with the
                class c, so k where there is one class; -100 asks for nothing. With them the output holds the loss, see
                `instance_loss`.
            output_hidden_states: Return the maps of every step as well; the config's value if `None`.

        Raises:
            ValueError: The labels have another shape.
        """
        features = self.unet(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        maps: Any = features.last_hidden_state
        centers = self.centers(maps)
        found = {"logits": self.classifier(maps), "center_logits": centers[:, 0], "offsets": centers[:, 1:]}
        loss = None
        if labels is not None:
            check_problem(self.config)
            config = self.config
            loss = instance_loss(
                **found,
                labels=labels,
                dice_weight=config.dice_weight,
                center_spread=config.center_spread,
                center_weight=config.center_weight,
                offset_weight=config.offset_weight,
            )
        return InstanceUNetOutput(loss=loss, **found, hidden_states=features.hidden_states)
