"""AlexNet (Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks).

Five convolutions, three of them followed by overlapping 3x3 maxima of stride 2, two hidden layers of 4,096 units with
dropout, ReLU throughout. The defaults are the network of the paper (section 3.5), whose two towers on two GPUs are
convolutions in two groups: 60,965,224 parameters with a thousand labels. `AlexNetConfig.torchvision()` is the form of
torchvision, after Krizhevsky 2014 (One weird trick for parallelizing convolutional neural networks), with one tower and
61,100,840 parameters; `AlexNetConfig.small_pictures()` is for pictures of 32 pixels.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from tsugiki.adaptive_pooling import AdaptivePooling

from .layers import (
    LayerChoices,
    LocalResponseNorm,
    Normalization,
    PictureModel,
    activation,
    initialize,
    initialize_linear,
    normalization,
)
from .staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    Stage,
    StagedConfig,
)

POOL_SIZE, POOL_STRIDE = 3, 2  # section 3.4: neighbouring maxima overlap
ONES_AT = (2, 4, 5)  # convolutions whose biases start at 1 (section 5), as do those of the hidden layers


@strict
class AlexNetConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of an AlexNet; the defaults are the paper's."""

    model_type = "tsugiki_alexnet"

    image_size: int = 224  # pixels a side that it is trained on; any size of at least 63 runs with the default strides
    channels: list[int] | tuple[int, ...] = (96, 256, 384, 384, 256)  # of the convolutions, both towers together
    kernel_sizes: list[int] | tuple[int, ...] = (11, 5, 3, 3, 3)
    strides: list[int] | tuple[int, ...] = (4, 1, 1, 1, 1)
    paddings: list[int] | tuple[int, ...] = (2, 2, 1, 1, 1)
    groups: list[int] | tuple[int, ...] = (1, 2, 1, 2, 2)  # 2: each tower sees its own maps only
    pooled_after: list[int] | tuple[int, ...] = (1, 2, 5)  # convolutions, from 1, that a maximum follows
    local_response_norm: bool = (
        False  # after the first two convolutions, as in the paper; later work found no use in it
    )
    hidden_sizes: list[int] | tuple[int, ...] = (4096, 4096)  # none: the classifier stands on the mean of the last maps
    pooled_size: int = 6  # places a side that the first hidden layer sees
    dropout: float | int = 0.5  # share of hidden units silenced in training
    normalization: Normalization = "none"  # after every convolution

    @classmethod
    def torchvision(cls, **fields: Any) -> "AlexNetConfig":
        """The form of `torchvision.models.alexnet`."""
        return cls(**{"channels": (64, 192, 384, 256, 256), "groups": (1, 1, 1, 1, 1), **fields})

    @classmethod
    def small_pictures(cls, **fields: Any) -> "AlexNetConfig":
        """A form for 32 pixels: no stride in the first convolution, which is 5x5, and smaller hidden layers."""
        small = {
            "image_size": 32,
            "channels": (64, 192, 384, 256, 256),
            "kernel_sizes": (5, 5, 3, 3, 3),
            "strides": (1, 1, 1, 1, 1),
            "groups": (1, 1, 1, 1, 1),
            "hidden_sizes": (512, 512),
            "pooled_size": 3,
        }
        return cls(**{**small, **fields})

    @property
    def stage_layout(self) -> list[Stage]:
        """The convolutions, with the maximum that follows them, then the hidden layers."""
        layout, stride = [], 1
        for number, channels in enumerate(self.channels, start=1):
            stride *= self.strides[number - 1] if number <= len(self.strides) else 1
            stride *= POOL_STRIDE if number in self.pooled_after else 1
            layout.append(Stage(f"convolution{number}", channels, stride))
        return layout + [Stage(f"hidden{n}", size, WHOLE_PICTURE) for n, size in enumerate(self.hidden_sizes, start=1)]

    @property
    def minimum_size(self) -> int:
        """Pixels a side of the smallest picture that leaves one place."""
        size = 1
        for number in reversed(range(len(self.channels))):
            if number + 1 in self.pooled_after:
                size = (size - 1) * POOL_STRIDE + POOL_SIZE
            size = max((size - 1) * self.strides[number] + self.kernel_sizes[number] - 2 * self.paddings[number], 1)
        return size

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        layers = len(self.channels)
        for name in ("kernel_sizes", "strides", "paddings", "groups"):
            if len(getattr(self, name)) != layers:
                raise ValueError(f"{name} must hold one number for each of the {layers} channels.")
        if min(self.paddings, default=0) < 0:
            raise ValueError(f"paddings must not be negative, not {list(self.paddings)}.")
        for name in ("channels", "kernel_sizes", "strides", "groups", "hidden_sizes"):
            if any(size < 1 for size in getattr(self, name)):
                raise ValueError(f"{name} must be positive numbers, not {list(getattr(self, name))}.")
        inputs = [self.num_channels, *self.channels]
        for number, groups in enumerate(self.groups):
            if inputs[number] % groups or inputs[number + 1] % groups:
                raise ValueError(f"groups = {groups} of convolution {number + 1} must divide its channels.")
        if not layers or not set(self.pooled_after) <= set(range(1, layers + 1)):
            raise ValueError(f"pooled_after must be numbers of the {layers} convolutions, not {self.pooled_after}.")
        if self.image_size < self.minimum_size or self.pooled_size < 1:
            raise ValueError(
                f"image_size must be at least {self.minimum_size} with these strides and pooled_size at least 1, not "
                f"{self.image_size} and {self.pooled_size}."
            )


class AlexNetPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: AlexNetConfig
    base_model_prefix = "alexnet"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # normalisations
        as_in_paper = self.config.weight_init == "normal"
        if isinstance(module, nn.Linear) and not as_in_paper:
            initialize_linear(module)
            return
        initialize(module, self.config.weight_init, self.config.activation)
        if as_in_paper and isinstance(module, OnesConvolution | OnesLinear):
            init.ones_(module.bias)  # type: ignore[arg-type]  # it has one


class OnesConvolution(nn.Conv2d):
    """A convolution whose biases start at 1 in the paper (section 5), so that its ReLU starts with positive inputs."""


class OnesLinear(nn.Linear):
    """A hidden layer whose biases start at 1 in the paper."""


def convolution_stage(config: AlexNetConfig, number: int, in_channels: int) -> nn.Sequential:
    """Convolution `number`, from 1, with what follows it: `(N, in_channels, H, W)` to `(N, channels, H', W')`."""
    index = number - 1
    convolution = (OnesConvolution if number in ONES_AT else nn.Conv2d)(
        in_channels,
        config.channels[index],
        config.kernel_sizes[index],
        stride=config.strides[index],
        padding=config.paddings[index],
        groups=config.groups[index],
    )
    layers = [convolution, normalization(config.normalization, config.channels[index]), activation(config.activation)]
    if config.local_response_norm and number <= 2:
        layers.append(LocalResponseNorm())
    if number in config.pooled_after:
        layers.append(nn.MaxPool2d(POOL_SIZE, POOL_STRIDE))
    return nn.Sequential(*layers)


class AlexNetModel(FeatureNetwork, AlexNetPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__(config)
        inputs = [config.num_channels, *config.channels]
        self.stages = nn.ModuleList(
            convolution_stage(config, number, inputs[number - 1]) for number in range(1, len(inputs))
        )
        in_features = config.channels[-1] * config.pooled_size**2
        for number, size in enumerate(config.hidden_sizes):
            flatten = [AdaptivePooling(config.pooled_size), nn.Flatten()] if number == 0 else []
            hidden = [OnesLinear(in_features, size), activation(config.activation), nn.Dropout(config.dropout)]
            self.stages.append(nn.Sequential(*flatten, *hidden))
            in_features = size
        self.post_init()


class AlexNetBackbone(FeatureBackbone, AlexNetPreTrainedModel):
    """Feature maps by name: `convolution1` to `convolution5`, then `hidden1`, `hidden2` as maps of 1x1."""

    network_class = AlexNetModel


class AlexNetForImageClassification(FeatureClassifier, AlexNetPreTrainedModel):
    """The network with its classifier."""

    network_class = AlexNetModel
