"""Localisation: is there an object, where is it, and what is it; for pictures with one object at most.

The network gives p_c, whether there is an object, b_x, b_y, b_h, b_w, its box, and c_1 to c_n, its classes: as
classification with localisation is taught with YOLO. Where there is no object, box and classes carry no loss.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from tsugiki.adaptive_pooling import adaptive_pool
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

from ..boxes.box_formats import convert_boxes
from ..boxes.overlap import overlap
from ..networks.feature_maps import FeatureMapsConfig, feature_maps, initialize
from .box_labels import BOX, CLASS, CROWD, WIDTH, is_object
from .yolo import YOLOModelOutput, YOLOOutput


@strict
class LocaliserConfig(FeatureMapsConfig, PreTrainedConfig):
    """Sizes and choices of a localiser, besides those of `FeatureMapsConfig`, whose `neck_size` is the hidden layer's.

    Attributes:
        grid_size: Places a side that the coarsest map is averaged over before the hidden layer sees it.
        box_weight: Of the box within the loss.
        dropout: Rate on what the hidden layer sees and gives.
        score_threshold: Least score of what `predict` shows.
    """

    model_type = "tsugiki_localiser"

    image_size: list[int] | tuple[int, ...] = (160, 160)
    neck_size: int = 128
    grid_size: int = 5
    box_weight: float | int = 2.0
    dropout: float | int = 0.2
    score_threshold: float | int = 0.5

    def validate_choices(self) -> None:
        """Refuse choices out of range."""
        if self.grid_size < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"grid_size must be at least 1 and dropout below 1, not {self.grid_size}, {self.dropout}.")


class LocaliserPreTrainedModel(PreTrainedModel):
    """What the models of the family share."""

    config_class = LocaliserConfig
    base_model_prefix = "localiser"
    main_input_name = "pixel_values"

    def _init_weights(self, module: nn.Module) -> None:
        """See `tsugiki_detection.networks.feature_maps.initialize`."""
        initialize(module)


class LocaliserModel(LocaliserPreTrainedModel):
    """The network below the answer: maps, a grid of their means, a hidden layer."""

    def __init__(self, config: LocaliserConfig) -> None:
        super().__init__(config)
        self.backbone = feature_maps(config)
        self.hidden = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(self.backbone.channels[-1] * config.grid_size**2, config.neck_size),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
        )
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> YOLOModelOutput:
        """From pictures (B, C, H, W) to features (B, `neck_size`)."""
        check_picture(pixel_values, self.config.num_channels, 1)
        maps = self.backbone(pixel_values)
        features = self.hidden(adaptive_pool(maps[-1], self.config.grid_size).flatten(1))
        return YOLOModelOutput(features, None, tuple(maps) if output_hidden_states else None)


class LocaliserForObjectDetection(LocaliserPreTrainedModel):
    """A localiser: one candidate a picture."""

    accepts_loss_kwargs = False

    def __init__(self, config: LocaliserConfig) -> None:
        super().__init__(config)
        self.localiser = LocaliserModel(config)
        self.answer = nn.Linear(config.neck_size, 5 + len(config.id2label or {}))
        self.post_init()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Two pictures with an object each."""
        config: Any = self.config
        generator = torch.Generator().manual_seed(0)
        labels = torch.zeros(2, 1, WIDTH)
        labels[:, 0, CLASS] = torch.arange(2) % config.num_labels
        labels[:, 0, BOX] = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.4, 0.5]])
        shape = (2, config.num_channels, *config.image_size)
        return {"pixel_values": torch.randn(shape, generator=generator), "labels": labels}

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> YOLOOutput:
        """Localise.

        Args:
            pixel_values: Normalised pictures (B, C, H, W).
            labels: Objects (B, M, 8), see `tsugiki_detection.detectors.box_labels`; of several the largest counts.
            output_hidden_states: Return the backbone's maps as well; the config's value if `None`.
        """
        seen = self.localiser(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        raw = self.answer(seen.last_hidden_state)[:, None]  # (B, 1, 5 + C): p_c, b_x, b_y, b_w, b_h, c_1, …
        found: dict[str, Any] = {"logits": raw[..., 5:], "objectness": raw[..., 0]}
        found["pred_boxes"] = raw[..., 1:5].float().sigmoid()
        loss = None if labels is None else localiser_loss(found, labels, float(self.config.box_weight))
        return YOLOOutput(loss=loss, **found, hidden_states=seen.hidden_states)


def localiser_loss(found: dict[str, Tensor], labels: Tensor, box_weight: float) -> Tensor:
    """The mean over pictures of each one's loss: whether there is an object, and where there is one, its box and class.

    Args:
        found: ``logits`` (B, 1, C), ``objectness`` (B, 1) and ``pred_boxes`` (B, 1, 4).
        labels: Objects (B, M, 8).
        box_weight: Of 1 - CIoU.
    """
    real = is_object(labels) & (labels[..., CROWD] == 0)  # (B, M)
    area = torch.where(real, labels[..., BOX][..., 2:].prod(-1), -1.0)
    largest = area.argmax(1)  # (B,)
    chosen = labels.gather(1, largest[:, None, None].expand(-1, -1, labels.shape[-1]))[:, 0]  # (B, 8)
    there = real.any(1)
    presence = F.binary_cross_entropy_with_logits(found["objectness"][:, 0].float(), there.float(), reduction="none")
    boxes = convert_boxes(found["pred_boxes"][:, 0], "cxcywh", "xyxy")
    wanted = torch.where(there[:, None], chosen[:, BOX], 0.5)
    box = 1 - overlap(boxes, convert_boxes(wanted, "cxcywh", "xyxy"), "ciou")
    targets = F.one_hot(chosen[:, CLASS].long().clamp(min=0), found["logits"].shape[-1]).float()
    classes = F.binary_cross_entropy_with_logits(found["logits"][:, 0].float(), targets, reduction="none").sum(-1)
    return (presence + torch.where(there, box_weight * box + classes, 0.0)).mean()
