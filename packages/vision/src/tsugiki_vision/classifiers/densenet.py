"""DenseNet (Huang et al. 2016, Densely connected convolutional networks).

Each layer sees the maps of all layers before it in its block and adds `growth_rate` maps of its own. Between blocks a
transition mixes the channels, drops some of them and halves the picture. The paper has a form for ImageNet, with a wide
first layer, and one for 32-pixel pictures, both here by config: DenseNet-121 has 7,978,856 parameters with a thousand
labels, the 40-layer net for CIFAR-10 has 1,019,722.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, activation, normalization
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, ImageNetwork, Stage, StagedConfig

BOTTLENECK_WIDTH = 4  # a bottleneck layer makes so many times the growth rate (section 3, "Bottleneck layers")


@strict
class DenseNetConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of a DenseNet; the defaults are DenseNet-121 of table 1.

    | network | `growth_rate` | `block_layers` | `initial_channels` |
    | --- | ---: | --- | ---: |
    | DenseNet-121 | 32 | 6, 12, 24, 16 | 64 |
    | DenseNet-169 | 32 | 6, 12, 32, 32 | 64 |
    | DenseNet-201 | 32 | 6, 12, 48, 32 | 64 |
    | DenseNet-161 | 48 | 6, 12, 36, 24 | 96 |

    For pictures of 32 pixels (`image_size=32, stem="cifar"`): the 40-layer net of section 4.1 has `growth_rate=12,
    block_layers=(12, 12, 12), initial_channels=16, bottleneck=False, compression=1.0`, and the BC form with 100 layers
    `growth_rate=12, block_layers=(16, 16, 16), initial_channels=24`.
    """

    model_type = "tsugiki_densenet"

    image_size: int = 224  # pixels a side that it is trained on; any size of at least `minimum_size` runs
    growth_rate: int = 32  # the paper's k: maps that each layer adds
    block_layers: list[int] | tuple[int, ...] = (6, 12, 24, 16)  # layers of each dense block
    initial_channels: int = 64  # of the stem; 2k, or 16 in the small nets without bottleneck
    stem: Literal["imagenet", "cifar"] = "imagenet"  # 7x7 with stride 2, norm and max pooling; or one 3x3 convolution
    bottleneck: bool = True  # the B of the paper: a 1x1 convolution to 4k maps before each 3x3
    compression: float = 0.5  # the C, theta: share of the channels that a transition keeps; 1 keeps all
    drop_rate: float | int = 0.0  # dropout after each convolution but the first; 0.2 in the paper without augmentation

    @property
    def stage_channels(self) -> list[int]:
        """Channels at the end of each dense block."""
        ends: list[int] = []
        channels = self.initial_channels
        for number, layers in enumerate(self.block_layers):
            if number > 0:
                channels = self.kept(channels)
            channels += layers * self.growth_rate
            ends.append(channels)
        return ends

    def kept(self, channels: int) -> int:
        """Channels that a transition leaves of `channels`, rounded down."""
        return int(channels * self.compression)

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem, then each dense block with the transition before it, which halves the maps."""
        stride = 4 if self.stem == "imagenet" else 1
        stages = [Stage(f"stage{n + 1}", channels, stride * 2**n) for n, channels in enumerate(self.stage_channels)]
        return [Stage("stem", self.initial_channels, stride), *stages]

    @property
    def minimum_size(self) -> int:
        """Pixels a side that leave one place after the last transition; stem and pooling of the large form round up."""
        places = 2 ** (len(self.block_layers) - 1)
        return 4 * places - 3 if self.stem == "imagenet" else places

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if not self.block_layers or min(self.block_layers) < 1:
            raise ValueError(f"block_layers must be one or more positive numbers, not {list(self.block_layers)}.")
        for name in ("growth_rate", "initial_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not 0 < self.compression <= 1 or any(self.kept(channels) < 1 for channels in self.stage_channels[:-1]):
            raise ValueError(
                f"compression must be above 0 and at most 1, and leave channels of {self.stage_channels[:-1]}, "
                f"not {self.compression}."
            )
        if not 0 <= self.drop_rate < 1:
            raise ValueError(f"drop_rate must be at least 0 and below 1, not {self.drop_rate}.")
        if self.image_size < self.minimum_size:
            raise ValueError(
                f"image_size must be at least {self.minimum_size} for {len(self.block_layers)} dense blocks, "
                f"not {self.image_size}."
            )


class NormActivation(nn.Module):
    """A normalisation and an activation of maps that others still read: the activation never writes into those."""

    def __init__(self, config: DenseNetConfig, channels: int) -> None:
        super().__init__()
        self.norm = normalization(config.normalization, channels)
        self.activation = activation(config.activation)
        if config.normalization == "none" and hasattr(self.activation, "inplace"):
            setattr(self.activation, "inplace", False)  # noqa: B010  # a module's attributes are tensors to mypy

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, C, H, W)` to `(N, C, H, W)`."""
        return self.activation(self.norm(hidden))


class CompositeFunction(nn.Module):
    """Norm, activation, convolution, dropout, in this order (section 3, "Composite function")."""

    def __init__(self, config: DenseNetConfig, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.norm_activation = NormActivation(config, in_channels)
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.dropout = nn.Dropout(config.drop_rate)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H, W)`."""
        return self.dropout(self.convolution(self.norm_activation(hidden)))


class DenseLayer(nn.Module):
    """One layer of a dense block: its input with the maps that it adds to it."""

    def __init__(self, config: DenseNetConfig, in_channels: int) -> None:
        super().__init__()
        middle = BOTTLENECK_WIDTH * config.growth_rate if config.bottleneck else in_channels
        self.bottleneck = CompositeFunction(config, in_channels, middle, 1) if config.bottleneck else nn.Identity()
        self.growth = CompositeFunction(config, middle, config.growth_rate, 3)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, C, H, W)` to `(N, C + growth_rate, H, W)`, the input's channels first."""
        return torch.cat([hidden, self.growth(self.bottleneck(hidden))], dim=1)


class Stem(nn.Module):
    """The first convolution: wide with pooling for ImageNet, plain for small pictures."""

    def __init__(self, config: DenseNetConfig) -> None:
        super().__init__()
        channels = config.initial_channels
        if config.stem == "imagenet":
            self.convolution = nn.Conv2d(config.num_channels, channels, 7, stride=2, padding=3, bias=False)
            self.norm_activation: nn.Module = NormActivation(config, channels)
            self.pool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.convolution = nn.Conv2d(config.num_channels, channels, 3, padding=1, bias=False)
            self.norm_activation = nn.Identity()  # the first dense layer begins with both
            self.pool = nn.Identity()

    def forward(self, pixel_values: Tensor) -> Tensor:
        """From pictures `(N, num_channels, H, W)` to maps `(N, initial_channels, H / 4, W / 4)`, or of full size."""
        return self.pool(self.norm_activation(self.convolution(pixel_values)))


class DenseStage(nn.Module):
    """A transition, where one comes before it, a dense block, and the norm and activation of the block's maps.

    In the paper those stand at the start of the next transition, or before the classifier; here they end a stage, so
    that each stage gives maps that are ready to use.
    """

    def __init__(self, config: DenseNetConfig, number: int) -> None:
        super().__init__()
        if number > 0:
            before = config.stage_channels[number - 1]
            channels = config.kept(before)
            self.transition: nn.Module = nn.Sequential(
                nn.Conv2d(before, channels, 1, bias=False), nn.Dropout(config.drop_rate), nn.AvgPool2d(2)
            )
        else:
            channels = config.initial_channels
            self.transition = nn.Identity()
        self.layers = nn.Sequential(
            *(DenseLayer(config, channels + n * config.growth_rate) for n in range(config.block_layers[number]))
        )
        self.norm_activation = NormActivation(config, config.stage_channels[number])

    def forward(self, hidden: Tensor) -> Tensor:
        """To `(N, C, H, W)` of the block, from maps of twice the size where a transition comes first."""
        return self.norm_activation(self.layers(self.transition(hidden)))


class DenseNetPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: DenseNetConfig
    base_model_prefix = "densenet"
    _no_split_modules = ["DenseLayer"]  # noqa: RUF012


class DenseNetModel(FeatureNetwork, DenseNetPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: DenseNetConfig) -> None:
        super().__init__(config)
        dense = [DenseStage(config, number) for number in range(len(config.block_layers))]
        self.stages = nn.ModuleList([Stem(config), *dense])
        self.post_init()


class DenseNetBackbone(FeatureBackbone, DenseNetPreTrainedModel):
    """Feature maps by name: `stem`, then `stage1` to `stage4`, one for each dense block."""

    network_class = DenseNetModel


class DenseNetForImageClassification(FeatureClassifier, DenseNetPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = DenseNetModel
