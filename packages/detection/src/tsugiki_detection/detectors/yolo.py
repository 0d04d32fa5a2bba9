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
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture
from tsugiki.snapshots.backbones import backbone_fields, build_backbone

from .box_labels import WIDTH
from .yolo_loss import yolo_loss

SLOPE = 0.1  # of leaky rectifiers, as in all of Redmon's networks
PRIOR = (
    0.01  # that a cell's anchor holds an object, before anything is learnt (Lin et al. 2017, Focal loss, section 4.1)
)
SMALLEST, LARGEST = 0.05, 0.6  # share of the frame's sides that fresh anchors have


@strict
class YOLOConfig(PreTrainedConfig):
    """Sizes and choices of a detector.

    Attributes:
        image_size: Height and width of the frame that pictures are fitted into.
        backbone: Name of the checkpoint whose network looks at the pictures. Training begins with its weights.
        backbone_config: That network's config, with its ``model_type``; read from `backbone` where left out, and
            without either the detector's own network.
        backbone_stages: Stages of the backbone whose maps are used, from fine to coarse; by default its last three of
            the own network, the last of another.
        levels: Of these maps, the finest so many have a grid that predicts; the coarser ones tell them of the whole.
        widths: Channels of the own network's stages, each of which halves the picture's sides.
        depths: Residual blocks of each.
        neck_size: Channels of the maps that predict.
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

    image_size: list[int] | tuple[int, ...] = (320, 320)
    num_channels: int = 3
    backbone: str | None = None
    backbone_config: dict[str, Any] | None = None
    backbone_stages: list[str] | None = None
    levels: int = 2
    widths: list[int] | tuple[int, ...] = (16, 32, 64, 128, 192)
    depths: list[int] | tuple[int, ...] = (0, 1, 2, 2, 1)
    neck_size: int = 96
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

    def __post_init__(self, **kwargs: Any) -> None:
        if self.backbone_config is None and isinstance(self.backbone, str):
            self.backbone_config = backbone_fields(self.backbone)
        super().__post_init__(**kwargs)

    def validate_sizes(self) -> None:
        """Refuse sizes that make no network."""
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ValueError(f"image_size must be a height and a width of at least 1, not {self.image_size}.")
        if len(self.widths) != len(self.depths) or min(self.widths, default=0) < 1 or min(self.depths) < 0:
            raise ValueError(f"widths and depths must be as many, not {self.widths} and {self.depths}.")
        if min(self.levels, self.neck_size, self.anchors_per_level, self.num_channels) < 1:
            raise ValueError("levels, neck_size, anchors_per_level and num_channels must be at least 1.")
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


def convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch norm and leaky rectifier; maps keep their size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


class ResidualBlock(nn.Module):
    """Darknet-53's block: to half the channels, a 3 x 3 convolution back, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            convolution(channels, channels // 2 or 1, 1), convolution(channels // 2 or 1, channels, 3)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """From (B, C, H, W) to the same shape."""
        return hidden + self.convolutions(hidden)


class SmallDarknet(nn.Module):
    """The detector's own network: stages that halve the sides, with residual blocks in each.

    Attributes:
        channels: Of the maps that it gives, from fine to coarse.
    """

    def __init__(self, config: YOLOConfig) -> None:
        super().__init__()
        widths = [config.num_channels, *config.widths]
        self.stages = nn.ModuleList(
            nn.Sequential(convolution(before, width, 3, 2), *(ResidualBlock(width) for _ in range(depth)))
            for before, width, depth in zip(widths, widths[1:], config.depths, strict=False)
        )
        self._given = min(max(3, config.levels), len(config.widths))
        self.channels = list(config.widths)[-self._given :]

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W) of the last stages, from fine to coarse."""
        maps = []
        for stage in self.stages:
            pixel_values = stage(pixel_values)
            maps.append(pixel_values)
        return maps[-self._given :]


class NamedBackbone(nn.Module):
    """A backbone of the registry, or of transformers, as a detector looks with it; see `SmallDarknet`."""

    def __init__(self, fields: dict[str, Any], stages: list[str] | None) -> None:
        super().__init__()
        network: Any = build_backbone(fields, stages)
        self.stages = nn.ModuleList([network])  # trained or frozen as one
        self.channels: list[int] = list(network.channels)

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W), from fine to coarse."""
        return list(self.stages[0](pixel_values).feature_maps)


class Neck(nn.Module):
    """Lays the features of coarser maps over the finer ones, so that small objects are seen in their surroundings."""

    def __init__(self, channels: list[int], size: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.lateral = nn.ModuleList(convolution(one, size, 1) for one in channels)
        self.smooth = nn.ModuleList(convolution(size, size, 3) for _ in range(levels))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """From maps (B, C, H, W), fine to coarse, to the finest `levels` of them with `size` channels."""
        above: Tensor | None = None
        merged = []
        for lateral, one in zip(reversed(self.lateral), reversed(maps), strict=True):
            hidden = lateral(one)
            if above is not None:
                hidden = hidden + F.interpolate(above, size=hidden.shape[-2:], mode="nearest")
            merged.insert(0, hidden)
            above = hidden
        return [smooth(one) for smooth, one in zip(self.smooth, merged[: self.levels], strict=True)]


class YOLOPreTrainedModel(PreTrainedModel):
    """What the models of the family share."""

    config_class = YOLOConfig
    base_model_prefix = "yolo"
    main_input_name = "pixel_values"
    input_modalities = ("image",)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He et al. 2015 for convolutions; batch norms the identity; the predicting layers small, objects rare."""
        if isinstance(module, PredictingLayer):
            init.normal_(module.weight, std=self.config.initializer_range)
            bias = torch.zeros(self.config.anchors_per_level, 5 + self.config.num_labels)
            bias[:, 4] = math.log(PRIOR / (1 - PRIOR))
            init.copy_(module.bias, bias.flatten())
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, a=SLOPE, mode="fan_out", nonlinearity="leaky_relu")
        elif isinstance(module, nn.BatchNorm2d):
            init.ones_(module.weight)
            init.zeros_(module.bias)
            init.zeros_(module.running_mean)
            init.ones_(module.running_var)
            init.zeros_(module.num_batches_tracked)


class YOLOModel(YOLOPreTrainedModel):
    """Backbone and neck: the maps that predict."""

    def __init__(self, config: YOLOConfig) -> None:
        super().__init__(config)
        fields = config.backbone_config
        self.backbone = SmallDarknet(config) if fields is None else NamedBackbone(fields, config.backbone_stages)
        if len(self.backbone.channels) < config.levels:
            raise ValueError(f"levels = {config.levels}, but backbone_stages gives {len(self.backbone.channels)} maps.")
        self.neck = Neck(self.backbone.channels, config.neck_size, config.levels)
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
        super().__init__(config.neck_size, config.anchors_per_level * (5 + config.num_labels), 1)


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
        height, width = self.config.image_size
        labels = torch.zeros(2, 2, WIDTH)
        labels[:, :, 0] = torch.arange(2) % self.config.num_labels
        labels[:, :, 1:5] = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.4, 0.5]])
        pixel_values = torch.randn((2, self.config.num_channels, height, width), generator=generator)
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
    options = {"device": raw.device, "dtype": torch.float32}
    share = raw.float().sigmoid()
    x = (2 * share[..., 0] - 0.5 + torch.arange(width, **options)) / width
    y = (2 * share[..., 1] - 0.5 + torch.arange(height, **options)[:, None]) / height
    sizes = torch.tensor(anchors, **options)[:, None, None] * (2 * share[..., 2:]).square()
    return torch.cat([x[..., None], y[..., None], sizes], -1)
