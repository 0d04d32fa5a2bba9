"""MobileNet (Howard et al. 2017, MobileNets: efficient convolutional neural networks for mobile vision).

A convolution of K x K pixels from C to M channels costs H * W * K * K * C * M multiplications. MobileNet splits it: a
depthwise one filters each channel by itself (H * W * K * K * C), a pointwise one mixes the channels (H * W * C * M),
each with batch norm and ReLU6 (section 3.1, figure 3). The cost falls to 1 / M + 1 / K^2 of the whole. One convolution
and thirteen such blocks give 4,231,976 parameters with a thousand labels; `width_multiplier` (section 3.3) scales them.
"""

import math

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import Activation, LayerChoices
from .mobile_layers import ConvolutionLayer
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, ImageNetwork, Stage, StagedConfig

KERNEL_SIZE = 3  # of the first convolution and of every depthwise one


@strict
class MobileNetConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of a MobileNet; the defaults are table 1 of the paper, 1.0 MobileNet-224.

    For pictures of 32 pixels: `image_size=32` and strides that halve them three times,
    `strides=(1, 1, 1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)`.
    """

    model_type = "tsugiki_mobilenet"

    image_size: int = 224  # pixels a side that it is trained on; any size runs
    channels: list[int] | tuple[int, ...] = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)  # stem, then blocks
    strides: list[int] | tuple[int, ...] = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # as channels; each 1 or 2
    width_multiplier: float | int = 1.0  # the paper's alpha: 1, 0.75, 0.5 and 0.25 in its table 6
    minimum_channels: int = 8  # however small the multiplier
    activation: Activation = "relu6"  # the published weights'; timm's have relu
    tf_padding: bool = False  # TensorFlow's "same": where a layer halves an even size, zeros below and right only
    norm_eps: float = 1e-3  # the published weights'; timm's have 1e-5
    norm_momentum: float = 0.1  # share of each batch in the running statistics

    @property
    def widths(self) -> list[int]:
        """Channels of each layer after the multiplier, rounded down."""
        return [max(int(channels * self.width_multiplier), self.minimum_channels) for channels in self.channels]

    @property
    def stage_blocks(self) -> list[list[int]]:
        """Numbers of the blocks, from 1, that form each stage after the stem; a block that halves begins a new one."""
        stages: list[list[int]] = []
        for number, stride in enumerate(list(self.strides)[1:], start=1):
            if stride > 1 or not stages:
                stages.append([])
            stages[-1].append(number)
        return stages

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem, then the blocks between two halvings together: five stages by default."""
        widths, strides = self.widths, list(self.strides)
        layout = [Stage("stem", widths[0] if widths else 0, strides[0] if strides else 1)]
        for number, blocks in enumerate(self.stage_blocks, start=1):
            last = min(blocks[-1], len(widths) - 1)
            layout.append(Stage(f"stage{number}", widths[last], math.prod(strides[: blocks[-1] + 1])))
        return layout

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        channels, strides = list(self.channels), list(self.strides)
        if len(channels) < 2 or min(channels) < 1:
            raise ValueError(f"channels must be two or more positive numbers, not {channels}.")
        if len(strides) != len(channels) or not set(strides) <= {1, 2}:
            raise ValueError(
                f"strides must be 1 or 2 for each of the {len(channels)} channels (stem, then blocks), not {strides}."
            )
        for name in ("width_multiplier", "minimum_channels", "image_size", "norm_eps"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}.")
        if not 0 <= self.norm_momentum <= 1:
            raise ValueError(f"norm_momentum must be from 0 to 1, not {self.norm_momentum}.")


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution (figure 3 of the paper, right)."""

    def __init__(self, config: MobileNetConfig, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvolutionLayer(
            config, in_channels, in_channels, kernel_size=KERNEL_SIZE, stride=stride, groups=in_channels
        )
        self.pointwise = ConvolutionLayer(config, in_channels, out_channels)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, ceil(H / stride), ceil(W / stride))`."""
        return self.pointwise(self.depthwise(hidden))


class MobileNetPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: MobileNetConfig
    base_model_prefix = "mobilenet"
    _no_split_modules = ["SeparableBlock"]  # noqa: RUF012


class MobileNetModel(FeatureNetwork, MobileNetPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: MobileNetConfig) -> None:
        super().__init__(config)
        widths = config.widths
        self.stages = nn.ModuleList(
            [
                ConvolutionLayer(
                    config, config.num_channels, widths[0], kernel_size=KERNEL_SIZE, stride=config.strides[0]
                )
            ]
        )
        for numbers in config.stage_blocks:
            blocks = [SeparableBlock(config, widths[n - 1], widths[n], config.strides[n]) for n in numbers]
            self.stages.append(nn.Sequential(*blocks))
        self.post_init()


class MobileNetBackbone(FeatureBackbone, MobileNetPreTrainedModel):
    """Feature maps by name: `stem`, then `stage1` to `stage5` with the default strides."""

    network_class = MobileNetModel


class MobileNetForImageClassification(FeatureClassifier, MobileNetPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = MobileNetModel
