"""GoogLeNet (Szegedy et al. 2014, Going deeper with convolutions).

Nine inception modules, each of which looks at its input through 1x1, 3x3 and 5x5 convolutions and a 3x3 maximum side by
side, with 1x1 convolutions before the large ones to make them affordable (figure 2b). The defaults are table 1 of the
paper: 6,998,552 parameters with a thousand labels. `GoogLeNetConfig.torchvision()` is torchvision's form, which came
through TensorFlow: batch normalisation, and a 3x3 convolution where the paper has 5x5, 6,624,904 parameters. Two
auxiliary classifiers (section 5) can send gradients to the middle of the network in training; with them torchvision's
form has 13,004,888.
"""

from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, LocalResponseNorm, Normalization, activation, normalization
from .staged_network import FeatureBackbone, FeatureNetwork, HelpedClassifier, ImageNetwork, Stage, StagedConfig

# Table 1: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, projection of the pooling.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
STEM_CHANNELS = (64, 192)
STEM_STRIDES = {"large": 8, "small": 1, "pooled": 2}
AUXILIARY_AFTER = ("4a", "4d")
AUXILIARY_CHANNELS, AUXILIARY_HIDDEN, AUXILIARY_GRID, AUXILIARY_DROPOUT = 128, 1024, 4, 0.7  # section 5


@strict
class GoogLeNetConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Choices of a GoogLeNet; the defaults are the paper's.

    For pictures of 32 pixels: `image_size=32, normalization="batch"` and `stem="small"`, or `"pooled"` for a quarter of
    the work, narrowed by `width_multiplier`. The recipe `googlenet32-cifar10` has the pooled stem and a width of 0.25.
    """

    model_type = "tsugiki_googlenet"

    image_size: int = 224  # pixels a side that it is trained on; any size runs
    # Large is the paper's and divides the sides by 8; small is one 3x3 convolution, which keeps them; pooled is the
    # same with a maximum behind it, which halves them.
    stem: Literal["large", "small", "pooled"] = "large"
    width_multiplier: float | int = 1.0  # of all channels
    large_kernel: Literal[5, 3] = 5  # of the widest branch: 5 in the paper, 3 in torchvision
    last_pooling: Literal[3, 2] = 3  # side of the maximum before the last two modules: 3 in the paper, 2 in torchvision
    local_response_norm: bool = False  # twice in the stem, as in the paper
    normalization: Normalization = "none"  # after every convolution, which then has no bias
    norm_eps: float = 1e-3  # torchvision's
    dropout: float | int = 0.4  # share of features silenced before the classifier in training
    auxiliary_heads: bool = False  # two more classifiers while it is trained
    auxiliary_weight: float | int = 0.3  # of each of their losses

    @classmethod
    def torchvision(cls, **fields: Any) -> "GoogLeNetConfig":
        """The form of `torchvision.models.googlenet`."""
        theirs = {"large_kernel": 3, "last_pooling": 2, "normalization": "batch", "dropout": 0.2}
        return cls(**{**theirs, **fields})

    def width(self, channels: int) -> int:
        """Channels after the multiplier."""
        return max(1, round(channels * self.width_multiplier))

    def module_channels(self, name: str) -> int:
        """Channels that a module gives."""
        one, _, three, _, five, pooled = MODULES[name]
        return sum(self.width(channels) for channels in (one, three, five, pooled))

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem, then every module; those that begin a row of the table pool first."""
        stride = STEM_STRIDES[self.stem]
        layout = [Stage("stem", self.width(STEM_CHANNELS[-1]), stride)]
        for name in MODULES:
            stride *= 2 if name in ("4a", "5a") else 1
            layout.append(Stage(f"inception{name}", self.module_channels(name), stride))
        return layout

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        for name in ("width_multiplier", "image_size", "norm_eps"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}.")
        if self.auxiliary_weight < 0:
            raise ValueError(f"auxiliary_weight must be at least 0, not {self.auxiliary_weight}.")


class ConvolutionLayer(nn.Sequential):
    """A convolution that keeps the size (or halves it, with stride 2), its normalisation and its activation."""

    def __init__(self, config: GoogLeNetConfig, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        bias = config.normalization == "none"
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=bias),
            normalization(config.normalization, outputs, eps=config.norm_eps),
            activation(config.activation),
        )


class InceptionModule(nn.Module):
    """Four looks at the same maps, side by side (figure 2b)."""

    def __init__(self, config: GoogLeNetConfig, name: str, inputs: int) -> None:
        super().__init__()
        one, three_reduced, three, five_reduced, five, pooled = map(config.width, MODULES[name])
        self.branch1 = ConvolutionLayer(config, inputs, one)
        self.branch3 = nn.Sequential(
            ConvolutionLayer(config, inputs, three_reduced), ConvolutionLayer(config, three_reduced, three, 3)
        )
        self.branch5 = nn.Sequential(
            ConvolutionLayer(config, inputs, five_reduced),
            ConvolutionLayer(config, five_reduced, five, config.large_kernel),
        )
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvolutionLayer(config, inputs, pooled))

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, inputs, H, W)` to `(N, C, H, W)`."""
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(hidden) for branch in branches], dim=1)


class AuxiliaryHead(nn.Module):
    """A small classifier on maps from the middle (section 5); its 5x5 averages became an adaptive 4x4 grid."""

    def __init__(self, config: GoogLeNetConfig, inputs: int) -> None:
        super().__init__()
        self.pooling = nn.AdaptiveAvgPool2d(AUXILIARY_GRID)
        self.convolution = ConvolutionLayer(config, inputs, AUXILIARY_CHANNELS)
        self.hidden = nn.Linear(AUXILIARY_CHANNELS * AUXILIARY_GRID**2, AUXILIARY_HIDDEN)
        self.activation = activation(config.activation)
        self.dropout = nn.Dropout(AUXILIARY_DROPOUT)
        self.classifier = nn.Linear(AUXILIARY_HIDDEN, config.num_labels or 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits `(N, num_labels)` from maps `(N, inputs, H, W)`."""
        hidden = self.convolution(self.pooling(hidden)).flatten(1)
        return self.classifier(self.dropout(self.activation(self.hidden(hidden))))


def large_stem(config: GoogLeNetConfig) -> nn.Sequential:
    """The first rows of table 1, `(N, num_channels, H, W)` to `(N, 192, H / 8, W / 8)`."""
    first, second = map(config.width, STEM_CHANNELS)

    def response_norm() -> list[nn.Module]:
        return [LocalResponseNorm()] if config.local_response_norm else []

    return nn.Sequential(
        ConvolutionLayer(config, config.num_channels, first, 7, stride=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        *response_norm(),
        ConvolutionLayer(config, first, first),
        ConvolutionLayer(config, first, second, 3),
        *response_norm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
    )


def small_stem(config: GoogLeNetConfig) -> nn.Sequential:
    """One convolution, `(N, num_channels, H, W)` to `(N, 192, H, W)`, or half of the sides with a pooling."""
    layer = ConvolutionLayer(config, config.num_channels, config.width(STEM_CHANNELS[-1]), 3)
    if config.stem == "pooled":
        layer.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
    return layer


class GoogLeNetPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: GoogLeNetConfig
    base_model_prefix = "googlenet"
    _no_split_modules = ["InceptionModule"]  # noqa: RUF012


class GoogLeNetModel(FeatureNetwork, GoogLeNetPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\.", r"^auxiliary_heads\."]  # noqa: RUF012

    def __init__(self, config: GoogLeNetConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList([large_stem(config) if config.stem == "large" else small_stem(config)])
        inputs = config.width(STEM_CHANNELS[-1])
        poolings = {"4a": 3, "5a": config.last_pooling}
        for name in MODULES:
            module: nn.Module = InceptionModule(config, name, inputs)
            if name in poolings:
                module = nn.Sequential(nn.MaxPool2d(poolings[name], stride=2, ceil_mode=True), module)
            self.stages.append(module)
            inputs = config.module_channels(name)
        self.post_init()


class GoogLeNetBackbone(FeatureBackbone, GoogLeNetPreTrainedModel):
    """Feature maps by name: `stem`, `inception3a`, `inception3b`, …, `inception5b`."""

    network_class = GoogLeNetModel
    _keys_to_ignore_on_load_unexpected = [r"^classifier\.", r"^auxiliary_heads\."]  # noqa: RUF012


class GoogLeNetForImageClassification(HelpedClassifier, GoogLeNetPreTrainedModel):
    """The network with its classifier, and two auxiliary ones for training where the config asks for them."""

    network_class = GoogLeNetModel
    auxiliary_head = AuxiliaryHead
    auxiliary_stages = tuple(f"inception{name}" for name in AUXILIARY_AFTER)
