"""LeNet-5 (LeCun et al. 1998, Gradient-based learning applied to document recognition, section II.B and figure 2).

Convolution, pooling, convolution, pooling, two hidden layers, a classifier: 61,706 parameters with ten labels, a gray
picture of 32 pixels a side and the default widths. The original squashes with tanh and pools by averaging
(`activation="tanh", pooling="average"`); the defaults, ReLU and max pooling, are what replaced them and train better.
Two things of 1998 are not here: each map of the second convolution sees all maps of the first (the original wires 60 of
the 96 pairs, to save time), and the output is a linear layer under a softmax, not radial basis functions.
"""

import math
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from tsugiki.pixel_values import check_picture, check_size

from .layers import PictureModel
from .staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    Stage,
    StagedConfig,
)

KERNEL_SIZE = 5  # of every convolution in the paper
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


@strict
class LeNetConfig(StagedConfig, PreTrainedConfig):
    """Sizes and choices of a LeNet; the defaults have the sizes of the paper."""

    model_type = "tsugiki_lenet"

    image_size: int = 32  # pixels a side; digits of 28 pixels are resized to it, or get padding=2 below
    num_channels: int = 1  # gray pictures
    padding: int = 0  # zeros around the picture; image_size=28 with padding=2 gives the same maps as 32 without
    conv_channels: list[int] | tuple[int, ...] = (6, 16)  # C1 and C3 of figure 2; each is followed by 2x2 pooling
    hidden_sizes: list[int] | tuple[int, ...] = (120, 84)  # C5, as wide as its input and so a linear layer, and F6
    activation: Literal["relu", "tanh"] = "relu"  # tanh in the paper
    pooling: Literal["max", "average"] = "max"  # average in the paper
    dropout: float | int = (
        0.0  # share of hidden units silenced in training; 0 in the paper, wide nets on small data need it
    )

    @property
    def stage_layout(self) -> list[Stage]:
        """The convolutions, each of which halves the map, then the hidden layers."""
        stages = [Stage(f"convolution{n}", channels, 2**n) for n, channels in enumerate(self.conv_channels, start=1)]
        hidden = [Stage(f"hidden{n}", size, WHOLE_PICTURE) for n, size in enumerate(self.hidden_sizes, start=1)]
        return stages + hidden

    @property
    def map_size(self) -> int:
        """Pixels a side of the last pooled map; below 1 if the picture is too small for the convolutions."""
        size = self.image_size + 2 * self.padding
        for _ in self.conv_channels:
            size = (size - KERNEL_SIZE + 1) // 2
        return size

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        for name in ("conv_channels", "hidden_sizes"):
            sizes = list(getattr(self, name))
            if not sizes or min(sizes) < 1:
                raise ValueError(f"{name} must be one or more positive numbers, not {sizes}.")
        if self.padding < 0 or self.image_size < 1:
            raise ValueError(
                f"image_size must be at least 1 and padding at least 0, not {self.image_size} and {self.padding}."
            )
        if self.map_size < 1:
            raise ValueError(
                f"A picture of {self.image_size} pixels with padding {self.padding} is too small for "
                f"{len(self.conv_channels)} convolutions of {KERNEL_SIZE}x{KERNEL_SIZE} with pooling: nothing is left "
                "of it. Raise image_size or padding, or give fewer conv_channels."
            )


class LeNetPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: LeNetConfig
    base_model_prefix = "lenet"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            # Keeps activations the same size from layer to layer: variance 2 / fan_in for ReLU, 1 / fan_in for tanh.
            gain = 2 if self.config.activation == "relu" else 1
            init.normal_(module.weight, std=math.sqrt(gain / fan_in))
            if module.bias is not None:
                init.zeros_(module.bias)


class LeNetModel(FeatureNetwork, LeNetPreTrainedModel):
    """The network below the classifier: two convolutions with pooling, two hidden layers."""

    def __init__(self, config: LeNetConfig) -> None:
        super().__init__(config)
        activation = ACTIVATIONS[config.activation]
        self.convolutions = nn.ModuleList()
        in_channels = config.num_channels
        for number, channels in enumerate(config.conv_channels):
            padding = config.padding if number == 0 else 0
            self.convolutions.append(
                nn.Sequential(
                    nn.Conv2d(in_channels, channels, KERNEL_SIZE, padding=padding),
                    activation(),
                    POOLINGS[config.pooling](2),
                )
            )
            in_channels = channels
        self.hidden_layers = nn.ModuleList()
        in_features = config.conv_channels[-1] * config.map_size**2
        for size in config.hidden_sizes:
            self.hidden_layers.append(
                nn.Sequential(nn.Linear(in_features, size), activation(), nn.Dropout(config.dropout))
            )
            in_features = size
        self.post_init()

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The outputs of the first `stages` layers: maps `(N, C, H, W)`, then hidden layers `(N, D)`.

        The convolutions alone take pictures of any size, the hidden layers only those of `image_size`.
        """
        if stages > len(self.convolutions):
            check_size(pixel_values, self.config.num_channels, self.config.image_size)
        else:
            check_picture(pixel_values, self.config.num_channels)
        maps = []
        hidden = pixel_values
        for convolution in self.convolutions[:stages]:
            hidden = convolution(hidden)
            maps.append(hidden)
        hidden = hidden.flatten(1)  # (N, C * H * W)
        for layer in self.hidden_layers[: max(0, stages - len(self.convolutions))]:
            hidden = layer(hidden)
            maps.append(hidden)
        return tuple(maps)


class LeNetBackbone(FeatureBackbone, LeNetPreTrainedModel):
    """Feature maps by name: `convolution1`, `convolution2`, then `hidden1`, `hidden2` as maps of 1x1.

    With `out_features` among the convolutions, pictures of any size run.
    """

    network_class = LeNetModel


class LeNetForImageClassification(FeatureClassifier, LeNetPreTrainedModel):
    """LeNet-5 with its classifier."""

    network_class = LeNetModel
