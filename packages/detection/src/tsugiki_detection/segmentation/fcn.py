"""Fully convolutional networks (Long, Shelhamer and Darrell 2015): a classifier's maps, scored and enlarged.

The coarsest maps of a network are scored for each class by a convolution of 1 by 1 and enlarged by a transposed
convolution that begins as bilinear interpolation. Before that, the scores of finer maps may be added step by step: with
maps at a 32nd, 16th and 8th of the picture's size, `skips` of 0, 1 and 2 are the paper's FCN-32s, FCN-16s and FCN-8s.

The network is any backbone of an installed plugin or of transformers, else a small one of its own. Unlike the paper's,
a transposed convolution enlarges each class by itself, and all of them are learnt.
"""

import math
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithNoAttention, SemanticSegmenterOutput
from tsugiki.forward_options import forward_options
from tsugiki.list_fields import ListFields
from tsugiki.pixel_values import check_picture
from tsugiki.snapshots.backbones import backbone_fields

from .backbone_maps import BackboneMaps
from .padding import cut_to, pad_to_multiple
from .segmentation_loss import SegmentationLossConfig, SegmentationModel, check_problem, segmentation_loss


@strict
class FCNConfig(ListFields, SegmentationLossConfig, PreTrainedConfig):
    """The network that gives the maps, and what is made of them."""

    model_type = "tsugiki_fcn"

    num_channels: int = 3  # colours of the picture; those of the backbone, where its config says
    encoder_channels: list[int] | tuple[int, ...] = (
        16,
        32,
        64,
        96,
        96,
    )  # of its own network; each step halves the size
    backbone: str | None = None  # checkpoint whose network and weights a training begins with, in place of its own
    backbone_config: dict[str, Any] | None = (
        None  # that network's, with its model_type; read from `backbone` if left out
    )
    skips: int = 2  # finer maps whose scores are added: 0 FCN-32s, 1 FCN-16s, 2 FCN-8s
    hidden_size: int = (
        128  # channels of the two layers on the coarsest maps, the paper's fc6 and fc7; 0 leaves them out
    )
    dropout: float | int = 0.0  # share of these silenced in training; 0.5 in the paper

    def __post_init__(self, **kwargs: Any) -> None:
        if self.backbone_config is None and isinstance(self.backbone, str):
            self.backbone_config = backbone_fields(self.backbone)
        if isinstance(self.backbone_config, dict):
            self.num_channels = self.backbone_config.get("num_channels", self.num_channels)
            self.backbone_config = {**self.backbone_config, "num_channels": self.num_channels}
        super().__post_init__(**kwargs)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if self.num_channels < 1 or not self.encoder_channels or min(self.encoder_channels) < 1:
            raise ValueError("num_channels and each of encoder_channels must be at least 1.")
        if self.skips < 0 or self.hidden_size < 0:
            raise ValueError("skips and hidden_size must not be negative.")
        if self.backbone_config is None and self.skips >= len(self.encoder_channels):
            raise ValueError(
                f"skips must be below the number of encoder_channels, {len(self.encoder_channels)}, not {self.skips}."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}.")


def _convolution(in_channels: int, out_channels: int, kernel_size: int = 3) -> list[nn.Module]:
    """A convolution that keeps the size, batch normalisation and ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class OwnEncoder(nn.ModuleList):
    """Stages of two convolutions and a pooling that halves the size, as VGG's (Simonyan and Zisserman 2014).

    Args:
        num_channels: Colours of the picture.
        stages: Channels of each stage.
        count: How many maps are given: those of the last stages.

    Attributes:
        channels: Of each map that is given, from fine to coarse.
        strides: Pixels of the picture per step in each.
    """

    def __init__(self, num_channels: int, stages: list[int], count: int) -> None:
        pairs = zip([num_channels, *stages], stages, strict=False)
        super().__init__(
            nn.Sequential(*_convolution(before, after), *_convolution(after, after), nn.MaxPool2d(2))
            for before, after in pairs
        )
        self.channels = stages[-count:]
        self.strides = [2 ** (place + 1) for place in range(len(stages))][-count:]

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps `(N, C, H, W)` of pictures `(N, num_channels, H, W)`, from fine to coarse."""
        maps = []
        hidden = pixel_values
        for stage in self:
            hidden = stage(hidden)
            maps.append(hidden)
        return maps[-len(self.channels) :]


class Enlarge(nn.ConvTranspose2d):
    """Scores `(N, C, H, W)` to `(N, C, factor H, factor W)`, each class by itself, at first bilinear interpolation."""

    def __init__(self, channels: int, factor: int) -> None:
        kernel = 2 * factor - factor % 2
        super().__init__(
            channels, channels, kernel, stride=factor, padding=(kernel - factor) // 2, groups=channels, bias=False
        )

    def bilinear(self) -> Tensor:
        """The weights of bilinear interpolation (C, 1, K, K), the paper's section 3.3."""
        factor, kernel = self.stride[0], self.kernel_size[0]
        distance = (torch.arange(kernel, dtype=torch.float32) - (kernel - 1) / 2).abs() / factor
        line = 1 - distance
        return (line[:, None] * line).expand_as(self.weight).to(self.weight)


class SkipScore(nn.Conv2d):
    """Scores of finer maps, zero at first (section 4.2)."""


class FCNHead(nn.Module):
    """Scores of maps for each class, enlarged to the picture's size.

    Args:
        num_labels: Classes.
        channels: Of the maps, from fine to coarse.
        strides: Pixels of the picture per step in each map.
    """

    def __init__(self, num_labels: int, channels: list[int], strides: list[int]) -> None:
        super().__init__()
        *finer, coarsest = channels
        self.scores = nn.ModuleList(SkipScore(width, num_labels, 1) for width in finer)
        self.scores.append(nn.Conv2d(coarsest, num_labels, 1))
        factors = [coarse // fine for fine, coarse in zip([1, *strides], strides, strict=False)]
        self.enlarge = nn.ModuleList(Enlarge(num_labels, factor) for factor in factors)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """From maps `(N, D, H, W)`, fine to coarse, to scores `(N, C, S H, S W)`, S the stride of the finest."""
        scores = self.scores[-1](maps[-1])
        for place in range(len(maps) - 1, 0, -1):
            scores = cut_to(self.enlarge[place](scores), maps[place - 1]) + self.scores[place - 1](maps[place - 1])
        return self.enlarge[0](scores)


class FCNPreTrainedModel(SegmentationModel):
    """Weight initialisation and loading for the family."""

    config: FCNConfig
    base_model_prefix = "fcn"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # normalisations
        if isinstance(module, Enlarge):
            init.copy_(module.weight, module.bilinear())
        elif isinstance(module, nn.Conv2d):  # the backbone draws its own
            skips = isinstance(module, SkipScore)
            init.normal_(module.weight, std=0.0 if skips else math.sqrt(2 / module.weight[0].numel()))
            if module.bias is not None:
                init.zeros_(module.bias)


class FCNModel(FCNPreTrainedModel):
    """The network below the scores: maps of several sizes."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: FCNConfig) -> None:
        super().__init__(config)
        count = config.skips + 1
        self.encoder: Any = (
            OwnEncoder(config.num_channels, list(config.encoder_channels), count)
            if config.backbone_config is None
            else BackboneMaps(config.backbone_config, count)
        )
        self.channels: list[int] = list(self.encoder.channels)
        if config.hidden_size:
            first = [*_convolution(self.channels[-1], config.hidden_size), nn.Dropout(config.dropout)]
            second = [*_convolution(config.hidden_size, config.hidden_size, 1), nn.Dropout(config.dropout)]
            self.hidden = nn.Sequential(*first, *second)
            self.channels[-1] = config.hidden_size
        self.post_init()

    @property
    def strides(self) -> list[int]:
        """Pixels of the picture per step in each map, from fine to coarse."""
        return self.encoder.strides

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> BaseModelOutputWithNoAttention:
        """Compute maps.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)` of any size.
            output_hidden_states: Return all maps that the scores are made of; the config's value if `None`.

        Returns:
            `last_hidden_state`: the coarsest maps `(N, D, H / S, W / S)`, rounded up; `hidden_states`: those of all
            sizes that are used, from fine to coarse.
        """
        check_picture(pixel_values, self.config.num_channels)
        maps = self.encoder(pad_to_multiple(pixel_values, self.strides[-1]))
        if self.config.hidden_size:
            maps[-1] = self.hidden(maps[-1])
        return BaseModelOutputWithNoAttention(
            last_hidden_state=maps[-1], hidden_states=tuple(maps) if output_hidden_states else None
        )


class FCNForSemanticSegmentation(FCNPreTrainedModel):
    """A fully convolutional network that names the class of each pixel."""

    def __init__(self, config: FCNConfig) -> None:
        super().__init__(config)
        self.fcn = FCNModel(config)
        self.classifier = FCNHead(config.num_labels or 1, self.fcn.channels, self.fcn.strides)
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> SemanticSegmenterOutput:
        """Name the class of each pixel.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)` of any size.
            labels: Class numbers `(N, H, W)`, 255 or -100 where a pixel has none. With them the output holds the loss,
                see `segmentation_loss`.
            output_hidden_states: Return the maps that the scores are made of; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels, H, W)`, and `loss` and `hidden_states` where asked for.

        Raises:
            ValueError: The labels have another shape.
        """
        maps = self.fcn(pixel_values, output_hidden_states=True, return_dict=True).hidden_states
        logits = cut_to(self.classifier(list(maps)), pixel_values)
        loss = None
        if labels is not None:
            check_problem(self.config)
            loss = segmentation_loss(logits, labels, self.config.dice_weight)
        return SemanticSegmenterOutput(loss=loss, logits=logits, hidden_states=maps if output_hidden_states else None)
