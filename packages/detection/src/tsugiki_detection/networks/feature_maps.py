"""Maps of a picture, from fine to coarse, and what joins them: the part that all networks of the plugin share."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from tsugiki.snapshots.backbones import backbone_fields, build_backbone, load_backbone

Normalization = Literal["batch", "group"]
GROUPS = 8  # of group normalisation, fewer where the channels are not divisible by it
SLOPE = 0.1  # of leaky rectifiers, as in all of Redmon's networks


@dataclass(kw_only=True, repr=False)
class FeatureMapsConfig:
    """The config fields of what looks at the picture. Inherit from it before `PreTrainedConfig`.

    Attributes:
        image_size: Height and width of the frame that pictures are fitted into.
        backbone: Name of the checkpoint whose network looks at the pictures. Training begins with its weights.
        backbone_config: That network's config, with its ``model_type``; read from `backbone` where left out, and
            without either a small network of their own.
        backbone_stages: Stages of the backbone whose maps are used, from fine to coarse; by default its last.
        widths: Channels of the own network's stages, each of which halves the picture's sides.
        depths: Residual blocks of each.
        neck_size: Channels of the maps that predict.
        normalization: Of the own network and of what stands on the backbone: ``batch`` (Ioffe and Szegedy 2015), or
            ``group`` (Wu and He 2018), by which a batch is worth the same on one process and on several.
    """

    image_size: list[int] | tuple[int, ...] = (320, 320)
    num_channels: int = 3
    backbone: str | None = None
    backbone_config: dict[str, Any] | None = None
    backbone_stages: list[str] | None = None
    widths: list[int] | tuple[int, ...] = (16, 32, 64, 128, 192)
    depths: list[int] | tuple[int, ...] = (0, 1, 2, 2, 1)
    neck_size: int = 96
    normalization: Normalization = "batch"

    def __post_init__(self, **kwargs: Any) -> None:
        if self.backbone_config is None and isinstance(self.backbone, str):
            self.backbone_config = backbone_fields(self.backbone)
        super().__post_init__(**kwargs)  # type: ignore[misc]

    def validate_network(self) -> None:
        """Refuse sizes that make no network."""
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ValueError(f"image_size must be a height and a width of at least 1, not {self.image_size}.")
        if len(self.widths) != len(self.depths) or min(self.widths, default=0) < 1 or min(self.depths) < 0:
            raise ValueError(f"widths and depths must be as many, not {self.widths} and {self.depths}.")
        if min(self.neck_size, self.num_channels) < 1:
            raise ValueError(
                f"neck_size and num_channels must be at least 1, not {self.neck_size}, {self.num_channels}."
            )


def convolution(channels: int, out: int, kernel: int, stride: int = 1, *, norm: Normalization) -> nn.Sequential:
    """A convolution with normalisation and leaky rectifier; maps keep their size at stride 1."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out) if norm == "batch" else nn.GroupNorm(math.gcd(GROUPS, out), out),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


class ResidualBlock(nn.Module):
    """Darknet-53's block: to half the channels, a 3 x 3 convolution back, and the input added."""

    def __init__(self, channels: int, norm: Normalization) -> None:
        super().__init__()
        inner = channels // 2 or 1
        self.convolutions = nn.Sequential(
            convolution(channels, inner, 1, norm=norm), convolution(inner, channels, 3, norm=norm)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """From (B, C, H, W) to the same shape."""
        return hidden + self.convolutions(hidden)


class SmallDarknet(nn.Module):
    """A small network in the manner of Darknet-53: stages that halve the sides, with residual blocks in each.

    Args:
        config: Its widths and depths.
        least: It gives the maps of its last stages, three or at least so many.

    Attributes:
        channels: Of the maps that it gives, from fine to coarse.
    """

    def __init__(self, config: FeatureMapsConfig, least: int) -> None:
        super().__init__()
        widths = [config.num_channels, *config.widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                convolution(before, width, 3, 2, norm=config.normalization),
                *(ResidualBlock(width, config.normalization) for _ in range(depth)),
            )
            for before, width, depth in zip(widths, widths[1:], config.depths, strict=False)
        )
        self._given = min(max(3, least), len(config.widths))
        self.channels = list(config.widths)[-self._given :]

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps (B, C, H, W) of the last stages, from fine to coarse."""
        maps = []
        for stage in self.stages:
            pixel_values = stage(pixel_values)
            maps.append(pixel_values)
        return maps[-self._given :]


class NamedBackbone(nn.Module):
    """A backbone of the registry, or of transformers, as the networks here look with it; see `SmallDarknet`."""

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

    def __init__(self, channels: list[int], config: FeatureMapsConfig, levels: int) -> None:
        super().__init__()
        self.levels = levels
        size, norm = config.neck_size, config.normalization
        self.lateral = nn.ModuleList(convolution(one, size, 1, norm=norm) for one in channels)
        self.smooth = nn.ModuleList(convolution(size, size, 3, norm=norm) for _ in range(levels))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """From maps (B, C, H, W), fine to coarse, to the finest `levels` of them with `size` channels."""
        above: Tensor | None = None
        merged: list[Tensor] = []
        for lateral, one in zip(reversed(self.lateral), reversed(maps), strict=True):
            hidden = lateral(one)
            if above is not None:
                hidden = hidden + F.interpolate(above, size=hidden.shape[-2:], mode="nearest")
            merged.insert(0, hidden)
            above = hidden
        return [smooth(one) for smooth, one in zip(self.smooth, merged[: self.levels], strict=True)]


def feature_maps(config: FeatureMapsConfig, least: int = 1) -> SmallDarknet | NamedBackbone:
    """The network that a config names.

    Args:
        config: The config.
        least: How many maps are needed.

    Raises:
        ValueError: It gives fewer, or no installed package has the backbone.
    """
    fields = config.backbone_config
    network = SmallDarknet(config, least) if fields is None else NamedBackbone(fields, config.backbone_stages)
    if len(network.channels) < least:
        raise ValueError(f"{least} maps are needed, but backbone_stages gives {len(network.channels)}.")
    return network


def begin_from_backbone(model: PreTrainedModel) -> None:
    """Give a model with fresh weights those of the checkpoint that its config names as `backbone`, if it names one.

    Raises:
        OptionError: The checkpoint is of another network.
    """
    config: Any = model.config
    if config.backbone is not None and not config._name_or_path:
        load_backbone(getattr(model, model.base_model_prefix).backbone.stages[0], config.backbone)


@torch.no_grad()
def initialize(module: nn.Module) -> None:
    """Draw the weights of a convolution or a linear layer (He et al. 2015); batch norms become the identity."""
    if isinstance(module, nn.Conv2d):
        init.kaiming_normal_(module.weight, a=SLOPE, mode="fan_out", nonlinearity="leaky_relu")
        if module.bias is not None:
            init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        init.normal_(module.weight, std=module.in_features**-0.5)
        init.zeros_(module.bias)
    elif isinstance(module, nn.GroupNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        init.ones_(module.weight)
        init.zeros_(module.bias)
        statistics: Any = module  # which are Tensor | None for those without
        init.zeros_(statistics.running_mean)
        init.ones_(statistics.running_var)
        init.zeros_(statistics.num_batches_tracked)
