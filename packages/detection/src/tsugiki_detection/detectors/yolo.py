"""YOLO: one look at a picture gives all boxes (Redmon et al. 2016, You only look once).

The picture is laid under a grid of cells. The cell that holds an object's centre owns it, and answers through the
anchor boxes that are most like it: whether there is an object, its class, and how its box departs from it. As in
YOLOv3 (Redmon & Farhadi 2018) several grids look at objects of several sizes, each with features of the coarser ones
laid over its own (Lin et al. 2017, Feature pyramid networks), and classes are asked one by one.

The network below is any backbone by name, or a small residual one of its own in the manner of Darknet-53.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

from ..networks.feature_maps import FeatureMapsConfig, Neck, feature_maps, initialize
from .box_labels import WIDTH
from .yolo_loss import yolo_loss

PRIOR = 0.01  # that an anchor holds an object, before anything is learnt (Lin et al. 2017, Focal loss, section 4.1)
SMALLEST, LARGEST = 0.05, 0.6  # share of the frame's sides that fresh anchors have


@strict
class YOLOConfig(FeatureMapsConfig, PreTrainedConfig):
    """Sizes and choices of a detector, besides those of `FeatureMapsConfig`.

    Attributes:
        levels: Of these maps, the finest so many have a grid that predicts; the coarser ones tell them of the whole.
        anchors_per_level: Anchor boxes of a cell.
        anchors: Width and height of each level's anchors in fractions of the frame, from small to large; by default
            evenly spread sizes. Training with fresh weights finds them in its data by k-means.
        box_weight, objectness_weight, class_weight: Of the three parts of the loss.
        no_object_weight: Of what should hold no object, within the second part.
        ignored_iou: What overlaps an object by more without being its own is not asked whether it holds one.
        anchor_ratio: An anchor is an object's own where neither side is longer by more than this factor.
        score_threshold: Least score of what `predict` shows: that with the best F1 where training measured it.
    """

    model_type = "tsugiki_yolo"

    levels: int = 2
    anchors_per_level: int = 3
    anchors: list[list[list[float]]] | None = None
    box_weight: float | int = 2.0
    objectness_weight: float | int = 40.0
    class_weight: float | int = 1.0
    no_object_weight: float | int = 1.0
    ignored_iou: float | int = 0.7
    anchor_ratio: float | int = 3.0
    score_threshold: float | int = 0.3
    initializer_range: float | int = 0.01

    def validate_sizes(self) -> None:
        """Refuse sizes that make no network."""
        if min(self.levels, self.anchors_per_level) < 1:
            raise ValueError("levels and anchors_per_level must be at least 1.")
        if self.backbone_config is None and len(self.widths) < self.levels:
            raise ValueError(f"the own network has {len(self.widths)} stages, too few for {self.levels} levels.")

    def validate_anchors(self) -> None:
        """Refuse anchors that are none, or not as many as the levels ask for."""
        if self.anchors is None:
            return
        wanted = (self.levels, self.anchors_per_level)
        if len(self.anchors) != self.levels or any(len(level) != self.anchors_per_level for level in self.anchors):
            raise ValueError(f"anchors must be levels x anchors_per_level ({wanted[0]} x {wanted[1]}) pairs.")
        if not all(len(pair) == 2 and min(pair) > 0 for level in self.anchors for pair in level):
            raise ValueError("every anchor must be a width and a height above 0.")

    @property
    def level_anchors(self) -> list[list[list[float]]]:
        """The anchors of each level, given or evenly spread."""
        if self.anchors is not None:
            return self.anchors
        count = self.levels * self.anchors_per_level
        sides = [SMALLEST + (LARGEST - SMALLEST) * number / max(1, count - 1) for number in range(count)]
        return [
            [[side, side] for side in sides[level * self.anchors_per_level : (level + 1) * self.anchors_per_level]]
            for level in range(self.levels)
        ]


@dataclass
class YOLOModelOutput(ModelOutput):
    """What predicts.

    Attributes:
        last_hidden_state: The map of the finest level (B, C, H, W).
        level_maps: Those of all levels, from fine to coarse.
        hidden_states: The backbone's maps, where asked for.
    """

    last_hidden_state: Tensor | None = None
    level_maps: tuple[Tensor, ...] | None = None
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class YOLOOutput(ModelOutput):
    """What the detector says of every anchor of every cell.

    Attributes:
        loss: Where labels were given.
        logits: Of the classes, each by itself (B, Q, C).
        objectness: Logits of there being an object (B, Q).
        pred_boxes: Centre, width and height in fractions of the frame (B, Q, 4).
        hidden_states: The backbone's maps, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    objectness: Tensor | None = None
    pred_boxes: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class YOLOPreTrainedModel(PreTrainedModel):
    """What the models of the family share."""

    config_class = YOLOConfig
    base_model_prefix = "yolo"
    main_input_name = "pixel_values"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He et al. 2015 for convolutions; batch norms the identity; the predicting layers small, objects rare."""
        if isinstance(module, PredictingLayer):
            init.normal_(module.weight, std=self.config.initializer_range)
            config: Any = self.config
            bias = torch.zeros(config.anchors_per_level, 5 + config.num_labels)
            bias[:, 4] = math.log(PRIOR / (1 - PRIOR))
            init.copy_(module.bias, bias.flatten())  # type: ignore[arg-type]
        else:
            initialize(module)


class YOLOModel(YOLOPreTrainedModel):
    """Backbone and neck: the maps that predict."""

    def __init__(self, config: YOLOConfig) -> None:
        super().__init__(config)
        self.backbone = feature_maps(config, config.levels)
        self.neck = Neck(self.backbone.channels, config, config.levels)
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> YOLOModelOutput:
        """Look at pictures (B, C, H, W)."""
        check_picture(pixel_values, self.config.num_channels, 1)
        maps = self.backbone(pixel_values)
        levels = self.neck(maps)
        return YOLOModelOutput(levels[0], tuple(levels), tuple(maps) if output_hidden_states else None)


class PredictingLayer(nn.Conv2d):
    """For every anchor of every cell of a level: a box, whether it holds an object, and its classes."""

    def __init__(self, config: YOLOConfig) -> None:
        outputs = 5 + len(config.id2label or {})
        super().__init__(config.neck_size, config.anchors_per_level * outputs, 1)


class Predictor(nn.Module):
    """The predicting layers of all levels, from fine to coarse."""

    def __init__(self, config: YOLOConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PredictingLayer(config) for _ in range(config.levels))


class YOLOForObjectDetection(YOLOPreTrainedModel):
    """A detector."""

    accepts_loss_kwargs = False

    def __init__(self, config: YOLOConfig) -> None:
        super().__init__(config)
        self.yolo = YOLOModel(config)
        self.predictor = Predictor(config)
        self.post_init()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Two pictures with two objects each."""
        generator = torch.Generator().manual_seed(0)
        config: Any = self.config
        height, width = config.image_size
        labels = torch.zeros(2, 2, WIDTH)
        labels[:, :, 0] = torch.arange(2) % config.num_labels
        labels[:, :, 1:5] = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.4, 0.5]])
        pixel_values = torch.randn((2, config.num_channels, height, width), generator=generator)
        return {"pixel_values": pixel_values, "labels": labels}

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> YOLOOutput:
        """Detect.

        Args:
            pixel_values: Normalised pictures (B, C, H, W).
            labels: Objects (B, M, 8), see `tsugiki_detection.detectors.box_labels`.
            output_hidden_states: Return the backbone's maps as well; the config's value if `None`.
        """
        seen = self.yolo(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        boxes, objectness, classes, grids = [], [], [], []
        for layer, hidden, anchors in zip(
            self.predictor.layers, seen.level_maps, self.config.level_anchors, strict=True
        ):
            raw = layer(hidden)  # (B, A * (5 + C), H, W)
            batch, _, height, width = raw.shape
            raw = raw.view(batch, len(anchors), -1, height, width).permute(0, 1, 3, 4, 2)  # (B, A, H, W, 5 + C)
            boxes.append(decode_boxes(raw[..., :4], anchors).flatten(1, 3))
            objectness.append(raw[..., 4].flatten(1))
            classes.append(raw[..., 5:].flatten(1, 3))
            grids.append((height, width))
        found = {"logits": torch.cat(classes, 1), "objectness": torch.cat(objectness, 1)}
        found["pred_boxes"] = torch.cat(boxes, 1)
        loss = None if labels is None else yolo_loss(self.config, found, labels, grids)
        return YOLOOutput(loss=loss, **found, hidden_states=seen.hidden_states)


def decode_boxes(raw: Tensor, anchors: list[list[float]]) -> Tensor:
    """Boxes that cells mean, as YOLOv5 has it: steep enough at the cell's borders, and never huge.

    Args:
        raw: (B, A, H, W, 4).
        anchors: Width and height of each in fractions of the frame.

    Returns:
        Centre, width and height in fractions of the frame (B, A, H, W, 4).
    """
    _, _, height, width, _ = raw.shape
    options: Any = {"device": raw.device, "dtype": torch.float32}
    share = raw.float().sigmoid()
    x = (2 * share[..., 0] - 0.5 + torch.arange(width, **options)) / width
    y = (2 * share[..., 1] - 0.5 + torch.arange(height, **options)[:, None]) / height
    sizes = torch.tensor(anchors, **options)[:, None, None] * (2 * share[..., 2:]).square()
    return torch.cat([x[..., None], y[..., None], sizes], -1)
