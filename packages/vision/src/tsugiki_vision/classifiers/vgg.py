"""VGG (Simonyan and Zisserman 2014, Very deep convolutional networks for large-scale image recognition).

Five blocks of 3x3 convolutions, each block closed by a 2x2 maximum, then two hidden layers of 4,096 units and the
classifier: the columns A, B, D and E of the paper's table 1, with 11, 13, 16 and 19 layers that have weights. VGG-16
has 138,357,544 parameters and VGG-19 143,667,240 with a thousand labels. Batch normalisation, which the paper could not
know, is a choice (`normalization="batch"`). The hidden layers stand on a grid of 7x7 places, to which maps of other
sizes are averaged, so that pictures of any size of at least 32 pixels run.
"""

from collections.abc import Collection
from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from tsugiki.adaptive_pooling import AdaptivePooling
from tsugiki.pixel_values import check_picture

from .layers import LayerChoices, Normalization, activation, normalization
from .staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    ImageNetwork,
    Stage,
    StagedConfig,
)

BLOCK_CHANNELS = (64, 128, 256, 512, 512)
BLOCK_LAYERS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # table 1


@strict
class VGGConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of a VGG; the defaults are VGG-16, column D of the paper's table 1.

    For pictures of 32 pixels: `image_size=32, hidden_sizes=(), normalization="batch"`, and `width_multiplier=0.5` for a
    quarter of the cost.
    """

    model_type = "tsugiki_vgg"

    image_size: int = 224  # pixels a side that it is trained on; any size of at least 32 runs
    depth: Literal[11, 13, 16, 19] = 16  # layers with weights, the two hidden ones and the classifier among them
    width_multiplier: float | int = 1.0  # of the channels 64, 128, 256, 512, 512
    hidden_sizes: list[int] | tuple[int, ...] = (4096, 4096)  # none: the classifier stands on the mean of the last maps
    pooled_size: int = 7  # places a side that the first hidden layer sees
    dropout: float | int = 0.5  # share of hidden units silenced in training
    normalization: Normalization = "none"  # after every convolution

    @property
    def block_channels(self) -> list[int]:
        """Channels of the five blocks."""
        return [max(1, round(channels * self.width_multiplier)) for channels in BLOCK_CHANNELS]

    @property
    def block_layers(self) -> tuple[int, ...]:
        """Convolutions of the five blocks."""
        return BLOCK_LAYERS.get(self.depth, ())

    @property
    def stage_layout(self) -> list[Stage]:
        """The five blocks, each of which halves the picture, then the hidden layers."""
        stages = [Stage(f"block{n}", channels, 2**n) for n, channels in enumerate(self.block_channels, start=1)]
        hidden = [Stage(f"hidden{n}", size, WHOLE_PICTURE) for n, size in enumerate(self.hidden_sizes, start=1)]
        return stages + hidden

    @property
    def minimum_size(self) -> int:
        """Five halvings leave one place of 32 pixels."""
        return 2 ** len(BLOCK_CHANNELS)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        if self.image_size < self.minimum_size:
            raise ValueError(f"image_size must be at least {self.minimum_size}, not {self.image_size}.")
        if self.pooled_size < 1 or self.width_multiplier <= 0:
            raise ValueError(
                f"pooled_size must be at least 1 and width_multiplier above 0, not {self.pooled_size} and "
                f"{self.width_multiplier}."
            )


class ConvolutionLayer(nn.Module):
    """A 3x3 convolution that keeps the size, its normalisation and its activation."""

    def __init__(self, config: VGGConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm = normalization(config.normalization, out_channels)
        self.activation = activation(config.activation)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H, W)`."""
        return self.activation(self.norm(self.convolution(hidden)))


class Block(nn.Module):
    """Convolutions of one width, then the maximum of every 2x2 places."""

    def __init__(self, config: VGGConfig, in_channels: int, out_channels: int, layers: int) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * (layers - 1)
        self.layers = nn.ModuleList(ConvolutionLayer(config, width, out_channels) for width in widths)
        self.pooling = nn.MaxPool2d(2)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / 2, W / 2)`."""
        for layer in self.layers:
            hidden = layer(hidden)
        return self.pooling(hidden)


class VGGPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: VGGConfig
    base_model_prefix = "vgg"
    _no_split_modules = ["Block"]  # noqa: RUF012


class VGGModel(FeatureNetwork, VGGPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: VGGConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList()
        in_channels = config.num_channels
        for channels, layers in zip(config.block_channels, config.block_layers, strict=True):
            self.stages.append(Block(config, in_channels, channels, layers))
            in_channels = channels
        in_features = in_channels * config.pooled_size**2
        for number, size in enumerate(config.hidden_sizes):
            flatten = [AdaptivePooling(config.pooled_size), nn.Flatten()] if number == 0 else []
            linear = [nn.Linear(in_features, size), activation(config.activation), nn.Dropout(config.dropout)]
            self.stages.append(nn.Sequential(*flatten, *linear))
            in_features = size
        self.post_init()

    @property
    def convolution_names(self) -> list[str]:
        """The names that the field gives to the convolutions, `conv1_1`, `conv1_2`, `conv2_1`, … in order."""
        return [
            f"conv{block}_{layer}"
            for block, layers in enumerate(self.config.block_layers, start=1)
            for layer in range(1, layers + 1)
        ]

    def convolution_outputs(self, pixel_values: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """The maps after the activations of some convolutions, for style transfer and perceptual losses.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`, of 2 ** (b - 1) pixels a side or more where b
                is the block of the last of `names`.
            names: Of `convolution_names`, at least one. Nothing behind the last of them is computed.

        Returns:
            By name, in the order of the network: `(N, C, H, W)`.

        Raises:
            ValueError: There is no name, or one that the network does not have, or the pictures are too small.
        """
        known = self.convolution_names
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"{unknown[0]!r} is no convolution of this VGG-{self.config.depth}: {', '.join(known)}.")
        if not names:
            raise ValueError(f"names must hold one or more convolutions of this VGG-{self.config.depth}.")
        last = max(names, key=known.index)
        blocks = [stage for stage in self.stages if isinstance(stage, Block)][: int(last[len("conv")])]
        check_picture(pixel_values, self.config.num_channels, 2 ** (len(blocks) - 1))
        outputs: dict[str, Tensor] = {}
        hidden = pixel_values
        for number, block in enumerate(blocks, start=1):
            if number > 1:
                hidden = blocks[number - 2].pooling(hidden)  # (N, C, H / 2, W / 2)
            for index, layer in enumerate(block.layers, start=1):
                hidden = layer(hidden)  # (N, C, H, W)
                name = f"conv{number}_{index}"
                if name in names:
                    outputs[name] = hidden
                if name == last:
                    break
        return outputs


class VGGBackbone(FeatureBackbone, VGGPreTrainedModel):
    """Feature maps by name: `block1` to `block5`, then `hidden1`, `hidden2` as maps of 1x1."""

    network_class = VGGModel


class VGGForImageClassification(FeatureClassifier, VGGPreTrainedModel):
    """The network with its classifier."""

    network_class = VGGModel
