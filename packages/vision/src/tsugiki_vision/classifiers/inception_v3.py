"""Inception-v3 (Szegedy et al. 2015, Rethinking the Inception architecture for computer vision).

GoogLeNet's idea with large convolutions taken apart: 5x5 into two of 3x3, 7x7 into 1x7 and 7x1, and grids made smaller
by a convolution and a maximum side by side (figures 5, 6, 7 and 10). Named after the sides of their maps at 299 pixels,
the stages are the stem, `mixed35`, `mixed17` and `mixed8`. With its auxiliary classifier it has 27,161,264 parameters
for a thousand labels. The numbers of channels are those of the published network, which the paper gives in part.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, activation, normalization
from .staged_network import FeatureBackbone, FeatureNetwork, HelpedClassifier, ImageNetwork, Stage, StagedConfig

Kernel = int | tuple[int, int]

MINIMUM_SIZE = 75  # leaves one place in the last maps
AUXILIARY_MINIMUM_SIZE = 299  # the auxiliary head needs 17 x 17 places
STAGES = ("stem", "mixed35", "mixed17", "mixed8")
STRIDES = (8, 8, 16, 32)


@strict
class InceptionV3Config(StagedConfig, LayerChoices, PreTrainedConfig):
    """Choices of an Inception-v3; the defaults are the published network's."""

    model_type = "tsugiki_inception_v3"

    image_size: int = 299  # pixels a side that it is trained on; any size of at least 75 runs
    width_multiplier: float | int = 1.0  # of all channels
    norm_eps: float = 1e-3
    dropout: float | int = 0.5  # share of features silenced before the classifier in training
    auxiliary_heads: bool = False  # one more classifier on the 17x17 maps while it is trained, at 299 pixels or more
    auxiliary_weight: float | int = 0.4  # of its loss

    def width(self, channels: int) -> int:
        """Channels after the multiplier."""
        return max(1, round(channels * self.width_multiplier))

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem and the three grids."""
        # Concatenated branches are rounded one by one.
        mixed35 = sum(map(self.width, (64, 64, 96, 64)))
        mixed17 = 4 * self.width(192)
        mixed8 = self.width(320) + 4 * self.width(384) + self.width(192)
        channels = (self.width(192), mixed35, mixed17, mixed8)
        return [Stage(*stage) for stage in zip(STAGES, channels, STRIDES, strict=True)]

    @property
    def minimum_size(self) -> int:
        """Pixels a side of the smallest picture."""
        return MINIMUM_SIZE

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        least = AUXILIARY_MINIMUM_SIZE if self.auxiliary_heads else MINIMUM_SIZE
        if self.image_size < least:
            raise ValueError(f"image_size must be at least {least}, not {self.image_size}.")
        if self.width_multiplier <= 0 or self.norm_eps <= 0:
            raise ValueError(
                f"width_multiplier and norm_eps must be above 0, not {self.width_multiplier} and {self.norm_eps}."
            )
        if self.auxiliary_weight < 0:
            raise ValueError(f"auxiliary_weight must be at least 0, not {self.auxiliary_weight}.")


class ConvolutionLayer(nn.Sequential):
    """A convolution without bias, its normalisation and its activation; keeps the size unless told otherwise."""

    def __init__(
        self,
        config: InceptionV3Config,
        inputs: int,
        outputs: int,
        kernel: Kernel = 1,
        *,
        stride: int = 1,
        same: bool = True,
    ) -> None:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if same else (0, 0)
        super().__init__(
            nn.Conv2d(inputs, outputs, sides, stride=stride, padding=padding, bias=False),
            normalization(config.normalization, outputs, eps=config.norm_eps),
            activation(config.activation),
        )


class Branches(nn.ModuleList):
    """Modules that look at the same maps, side by side."""

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, inputs, H, W)` to `(N, sum of C, H', W')`."""
        return torch.cat([branch(hidden) for branch in self], dim=1)


class Builder:
    """Makes branches of one config; a row of layers is written as (channels, kernel)."""

    def __init__(self, config: InceptionV3Config) -> None:
        self.config = config

    def row(self, inputs: int, *layers: tuple[int, Kernel], halve: bool = False) -> nn.Sequential:
        """Convolutions one after the other; with `halve` the last has stride 2 and no padding."""
        made = []
        for number, (channels, kernel) in enumerate(layers, start=1):
            last = halve and number == len(layers)
            outputs = self.config.width(channels)
            made.append(ConvolutionLayer(self.config, inputs, outputs, kernel, stride=2 if last else 1, same=not last))
            inputs = outputs
        return nn.Sequential(*made)

    def pooled(self, inputs: int, channels: int) -> nn.Sequential:
        """The mean of 3x3 places, then a 1x1 convolution."""
        return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), *self.row(inputs, (channels, 1)))

    def mixed35(self, inputs: int, pooled: int) -> Branches:
        """Figure 5."""
        return Branches(
            [
                self.row(inputs, (64, 1)),
                self.row(inputs, (48, 1), (64, 5)),
                self.row(inputs, (64, 1), (96, 3), (96, 3)),
                self.pooled(inputs, pooled),
            ]
        )

    def reduce35(self, inputs: int) -> Branches:
        """Figure 10, from 35x35 to 17x17."""
        return Branches(
            [
                self.row(inputs, (384, 3), halve=True),
                self.row(inputs, (64, 1), (96, 3), (96, 3), halve=True),
                nn.MaxPool2d(3, stride=2),
            ]
        )

    def mixed17(self, inputs: int, inner: int) -> Branches:
        """Figure 6 with n = 7."""
        return Branches(
            [
                self.row(inputs, (192, 1)),
                self.row(inputs, (inner, 1), (inner, (1, 7)), (192, (7, 1))),
                self.row(inputs, (inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))),
                self.pooled(inputs, 192),
            ]
        )

    def reduce17(self, inputs: int) -> Branches:
        """Figure 10, from 17x17 to 8x8."""
        return Branches(
            [
                self.row(inputs, (192, 1), (320, 3), halve=True),
                self.row(inputs, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), halve=True),
                nn.MaxPool2d(3, stride=2),
            ]
        )

    def mixed8(self, inputs: int) -> Branches:
        """Figure 7."""

        def forked(channels: int, *before: tuple[int, Kernel]) -> nn.Sequential:
            width = self.config.width(before[-1][0])
            ends = [self.row(width, (channels, (1, 3))), self.row(width, (channels, (3, 1)))]
            return nn.Sequential(*self.row(inputs, *before), Branches(ends))

        return Branches(
            [
                self.row(inputs, (320, 1)),
                forked(384, (384, 1)),
                forked(384, (448, 1), (384, 3)),
                self.pooled(inputs, 192),
            ]
        )

    def stem(self) -> nn.Sequential:
        """From `(N, num_channels, H, W)` to `(N, 192, H / 8, W / 8)`: the first rows of table 1."""
        config, width = self.config, self.config.width
        return nn.Sequential(
            ConvolutionLayer(config, config.num_channels, width(32), 3, stride=2, same=False),
            ConvolutionLayer(config, width(32), width(32), 3, same=False),
            ConvolutionLayer(config, width(32), width(64), 3),
            nn.MaxPool2d(3, stride=2),
            ConvolutionLayer(config, width(64), width(80)),
            ConvolutionLayer(config, width(80), width(192), 3, same=False),
            nn.MaxPool2d(3, stride=2),
        )


class AuxiliaryHead(nn.Module):
    """A small classifier on the 17x17 maps (section 4)."""

    def __init__(self, config: InceptionV3Config, inputs: int) -> None:
        super().__init__()
        self.pooling = nn.AvgPool2d(5, stride=3)
        self.convolution1 = ConvolutionLayer(config, inputs, config.width(128))
        self.convolution2 = ConvolutionLayer(config, config.width(128), config.width(768), 5, same=False)
        self.classifier = nn.Linear(config.width(768), config.num_labels or 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits `(N, num_labels)` from maps `(N, inputs, H, W)` of at least 17 x 17 places."""
        hidden = self.convolution2(self.convolution1(self.pooling(hidden)))
        return self.classifier(hidden.mean(dim=(2, 3)))


class InceptionV3PreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: InceptionV3Config
    base_model_prefix = "inception_v3"
    _no_split_modules = ["Branches"]  # noqa: RUF012


class InceptionV3Model(FeatureNetwork, InceptionV3PreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\.", r"^auxiliary_heads\."]  # noqa: RUF012

    def __init__(self, config: InceptionV3Config) -> None:
        super().__init__(config)
        build, width = Builder(config), config.width
        narrow = sum(map(width, (64, 64, 96, 32)))
        layout = {stage.name: stage.channels for stage in config.stage_layout}
        wide, middle = layout["mixed35"], layout["mixed17"]
        reduced35 = width(384) + width(96) + wide
        reduced17 = width(320) + width(192) + middle
        mixed35 = [build.mixed35(width(192), 32), build.mixed35(narrow, 64), build.mixed35(wide, 64)]
        mixed17 = [build.mixed17(reduced35, 128)] + [build.mixed17(middle, inner) for inner in (160, 160, 192)]
        mixed8 = [build.mixed8(reduced17), build.mixed8(layout["mixed8"])]
        self.stages = nn.ModuleList(
            [
                build.stem(),
                nn.Sequential(*mixed35),
                nn.Sequential(build.reduce35(wide), *mixed17),
                nn.Sequential(build.reduce17(middle), *mixed8),
            ]
        )
        self.post_init()


class InceptionV3Backbone(FeatureBackbone, InceptionV3PreTrainedModel):
    """Feature maps by name: `stem`, `mixed35`, `mixed17`, `mixed8`."""

    network_class = InceptionV3Model
    _keys_to_ignore_on_load_unexpected = [r"^classifier\.", r"^auxiliary_heads\."]  # noqa: RUF012


class InceptionV3ForImageClassification(HelpedClassifier, InceptionV3PreTrainedModel):
    """The network with its classifier, and an auxiliary one for training where the config asks for it."""

    network_class = InceptionV3Model
    auxiliary_head = AuxiliaryHead
    auxiliary_stages = ("mixed17",)
    auxiliary_minimum_size = AUXILIARY_MINIMUM_SIZE
