"""EfficientNet-Lite (Tan & Le 2019, EfficientNet: rethinking model scaling for convolutional neural networks).

Inverted residuals (Sandler et al. 2018, MobileNetV2, figure 3): a pointwise convolution widens the maps, a depthwise
one filters them, a linear pointwise one narrows them again, and what came in is added. Depth, width and picture size
grow together (section 3.3 of the paper). The Lite form is that of the authors' TPU repository, for small devices: no
squeeze-and-excitation, ReLU6 in place of swish, and a first layer, last layer, first and last stage that do not grow.

Parameters with a thousand labels: 4,652,008 in Lite0, 5,416,680 in Lite1, 6,092,072 in Lite2.
"""

import math
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import Activation, LayerChoices
from .mobile_layers import ConvolutionLayer
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, ImageNetwork, Stage, StagedConfig

WIDTH_STEP = 8  # channels are multiples of it, unless that would take more than a tenth of them
STEM_KERNEL_SIZE = 3


@strict
class EfficientNetLiteConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of an EfficientNet-Lite; the defaults are Lite0, table 1 of the paper without its extras.

    Lite1: `depth_multiplier=1.1, image_size=240`. Lite2: `width_multiplier=1.1, depth_multiplier=1.2, image_size=260,
    dropout=0.3`. For pictures of 32 pixels: `image_size=32, stem_stride=1, strides=(1, 1, 2, 2, 1, 2, 1)`.
    """

    model_type = "tsugiki_efficientnet_lite"

    image_size: int = 224  # pixels a side that it is trained on; any size runs
    stem_channels: int = 32
    stem_stride: int = 2
    channels: list[int] | tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)  # of each stage
    repeats: list[int] | tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage
    strides: list[int] | tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage; 1 or 2
    kernel_sizes: list[int] | tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)  # of the depthwise convolutions; odd
    expansions: list[int] | tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)  # how many times wider a block is inside
    head_channels: int = 1280
    width_multiplier: float | int = 1.0
    depth_multiplier: float | int = 1.0
    activation: Activation = "relu6"
    tf_padding: bool = True  # TensorFlow's "same": where a layer halves an even size, zeros below and right only
    norm_eps: float = 1e-3
    norm_momentum: float = 0.01  # share of each batch in the running statistics
    dropout: float = 0.2  # share of the last layer's channels that training leaves out
    stochastic_depth: float = 0.2  # of the last block; growing from none (Huang et al. 2016, section 3)

    @property
    def widths(self) -> list[int]:
        """Channels of each stage after the multiplier, to the nearest multiple of eight."""
        return [scaled_width(channels, self.width_multiplier) for channels in self.channels]

    @property
    def depths(self) -> list[int]:
        """Blocks of each stage after the multiplier, rounded up; the first and the last stage do not grow."""
        repeats = list(self.repeats)
        grown = [math.ceil(count * self.depth_multiplier) for count in repeats]
        return [*repeats[:1], *grown[1:-1], *repeats[1:][-1:]]

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem, the stages of blocks, and the last layer."""
        stride = self.stem_stride
        layout = [Stage("stem", self.stem_channels, stride)]
        for number, (width, step) in enumerate(zip(self.widths, self.strides, strict=False), start=1):
            stride *= step
            layout.append(Stage(f"stage{number}", width, stride))
        return [*layout, Stage("head", self.head_channels, stride)]

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        lists = ("repeats", "strides", "kernel_sizes", "expansions")
        stages = len(self.channels)
        for name in ("channels", *lists):
            values = list(getattr(self, name))
            if len(values) != stages or not values or min(values) < 1:
                raise ValueError(f"{name} must be a positive number for each of the {stages} stages, not {values}.")
        if not {self.stem_stride, *self.strides} <= {1, 2}:
            raise ValueError(f"stem_stride and strides must be 1 or 2, not {self.stem_stride} and {self.strides}.")
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd, not {list(self.kernel_sizes)}.")
        for name in (
            "stem_channels",
            "head_channels",
            "width_multiplier",
            "depth_multiplier",
            "image_size",
            "norm_eps",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}.")
        for name in ("norm_momentum", "dropout", "stochastic_depth"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}.")


def scaled_width(channels: int, multiplier: float) -> int:
    """Channels times the multiplier, to the nearest multiple of eight, and never more than a tenth below that."""
    wanted = channels * multiplier
    rounded = max(WIDTH_STEP, int(wanted + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP)
    return rounded + WIDTH_STEP if rounded < 0.9 * wanted else rounded


class InvertedResidual(nn.Module):
    """A block that is wide inside: expand, filter each channel, narrow without activation, add what came in.

    Args:
        config: The network's.
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        stage: Which stage it is of, from 0; says the kernel and the expansion.
        stride: 1 or 2. What came in is added where it is 1 and the channels are the same.
        skipped: Probability that training leaves the block out for a picture, where something is added.
    """

    def __init__(
        self,
        config: EfficientNetLiteConfig,
        in_channels: int,
        out_channels: int,
        *,
        stage: int,
        stride: int,
        skipped: float,
    ) -> None:
        super().__init__()
        inside = in_channels * config.expansions[stage]
        self.expand = ConvolutionLayer(config, in_channels, inside) if inside != in_channels else nn.Identity()
        kernel_size = config.kernel_sizes[stage]
        self.depthwise = ConvolutionLayer(config, inside, inside, kernel_size=kernel_size, stride=stride, groups=inside)
        self.project = ConvolutionLayer(config, inside, out_channels, activates=False)
        self.adds = stride == 1 and in_channels == out_channels
        self.skipped = skipped

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, ceil(H / stride), ceil(W / stride))`."""
        new = self.project(self.depthwise(self.expand(hidden)))
        if not self.adds:
            return new
        if self.training and self.skipped:
            kept = torch.rand(len(new), 1, 1, 1, device=new.device) >= self.skipped
            new = new * kept / (1 - self.skipped)
        return hidden + new


class EfficientNetLitePreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: EfficientNetLiteConfig
    base_model_prefix = "efficientnet_lite"
    _no_split_modules = ["InvertedResidual"]  # noqa: RUF012


class EfficientNetLiteModel(FeatureNetwork, EfficientNetLitePreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        width = config.stem_channels
        stem = ConvolutionLayer(
            config, config.num_channels, width, kernel_size=STEM_KERNEL_SIZE, stride=config.stem_stride
        )
        self.stages = nn.ModuleList([stem])
        blocks, done = sum(config.depths), 0
        for stage, (out_channels, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            layers: list[nn.Module] = []
            for number in range(depth):
                options: dict[str, Any] = {"stage": stage, "stride": config.strides[stage] if number == 0 else 1}
                skipped = config.stochastic_depth * done / blocks
                layers.append(InvertedResidual(config, width, out_channels, skipped=skipped, **options))
                width, done = out_channels, done + 1
            self.stages.append(nn.Sequential(*layers))
        # A channel left out of the maps is left out of their mean: this is the dropout before the classifier.
        head = ConvolutionLayer(config, width, config.head_channels)
        self.stages.append(nn.Sequential(head, nn.Dropout2d(config.dropout)))
        self.post_init()


class EfficientNetLiteBackbone(FeatureBackbone, EfficientNetLitePreTrainedModel):
    """Feature maps by name: `stem`, then `stage1` to `stage7`, then `head`."""

    network_class = EfficientNetLiteModel


class EfficientNetLiteForImageClassification(FeatureClassifier, EfficientNetLitePreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = EfficientNetLiteModel
