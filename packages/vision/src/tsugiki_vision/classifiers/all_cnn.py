"""The all convolutional network and its twins with pooling (Springenberg et al. 2014, Striving for simplicity).

Tables 1 and 2 of the paper: three base networks, A, B and C, each in four forms that differ in how they halve a map
twice. `reduction` names the form:

- `all_conv`: All-CNN. A 3x3 convolution with stride 2 stands where the base network pools.
- `conv_pool`: ConvPool-CNN. The same convolution without stride, then the pooling: All-CNN's twin, with as many layers
  and parameters.
- `max_pool`: the base network itself, 3x3 max pooling with stride 2.
- `stride`: Strided-CNN. No pooling; the convolution before it takes the stride.

All-CNN-C has 1,369,738 parameters with ten labels. The paper ends with a 1x1 convolution to the classes, a ReLU and the
mean over all places. Here the classifier is a linear layer on the mean of the last maps, which is that convolution and
that mean without the ReLU between them: a class may have negative evidence at a place, and the head can be replaced
like that of any other network.
"""

from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, Normalization, activation, normalization
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, ImageNetwork, Stage, StagedConfig

REDUCTION_WINDOW = 3  # pixels a side of the pooling, and of the convolution that replaces it
KERNEL_SIZES = {  # table 1: the convolutions before each reduction
    "A": (5,),
    "B": (5, 1),
    "C": (3, 3),
}
LAST_KERNEL_SIZES = (3, 1)  # after both reductions; the 3x3 one has no padding: 8 pixels a side become 6


@strict
class AllCNNConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Form and width of a network; the defaults are All-CNN-C."""

    model_type = "tsugiki_all_cnn"

    image_size: int = 32  # pixels a side that it is trained on; any size of at least 9 pixels runs
    model: Literal["A", "B", "C"] = "C"  # the paper's base network
    reduction: Literal["all_conv", "conv_pool", "max_pool", "stride"] = "all_conv"  # see the top of this module
    channels: list[int] | tuple[int, ...] = (96, 192, 192)  # before, between and after the two reductions
    width_multiplier: float | int = 1.0  # scales all channels, rounded to the nearest; 1 in the paper
    input_dropout: float | int = 0.2  # share of the picture's values silenced in training
    dropout: float | int = 0.5  # share of the values silenced after each reduction
    normalization: Normalization = "none"  # after each convolution; none in the paper

    @property
    def widths(self) -> list[int]:
        """Channels of the three stages after the multiplier."""
        return [max(1, round(channels * self.width_multiplier)) for channels in self.channels]

    @property
    def stage_layout(self) -> list[Stage]:
        """Two stages that end with a reduction, and the one after them at a quarter of the picture's size."""
        sizes = zip(self.widths, (2, 4, 4), strict=False)  # the number of channels is validated later
        return [Stage(f"stage{n}", channels, stride) for n, (channels, stride) in enumerate(sizes, start=1)]

    @property
    def minimum_size(self) -> int:
        """Pixels a side that leave a window of 3x3 for the last convolution without padding."""
        return 9

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if len(self.channels) != 3 or min(self.channels) < 1:
            raise ValueError(f"channels must be 3 positive numbers, not {list(self.channels)}.")
        if self.width_multiplier <= 0:
            raise ValueError(f"width_multiplier must be above 0, not {self.width_multiplier}.")
        if self.image_size < self.minimum_size:
            raise ValueError(f"image_size must be at least {self.minimum_size}, not {self.image_size}.")


class ConvolutionLayer(nn.Module):
    """A convolution, its normalisation and its activation."""

    def __init__(
        self, config: AllCNNConfig, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, padding: int
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            bias=config.normalization == "none",  # a normalisation has its own
        )
        self.norm = normalization(config.normalization, out_channels)
        self.activation = activation(config.activation)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H', W')`."""
        return self.activation(self.norm(self.convolution(hidden)))


def reducing_stage(config: AllCNNConfig, in_channels: int, out_channels: int) -> nn.Sequential:
    """Convolutions and a reduction, from `(N, in_channels, H, W)` to `(N, out_channels, ceil(H / 2), ceil(W / 2))`."""
    kernel_sizes = list(KERNEL_SIZES[config.model])
    if config.reduction in ("all_conv", "conv_pool"):
        kernel_sizes.append(REDUCTION_WINDOW)
    strides = [1] * len(kernel_sizes)
    if config.reduction in ("all_conv", "stride"):
        strides[-1] = 2
    layers: list[nn.Module] = []
    for kernel_size, stride in zip(kernel_sizes, strides, strict=True):
        layers.append(
            ConvolutionLayer(config, in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2)
        )
        in_channels = out_channels
    if config.reduction in ("max_pool", "conv_pool"):
        layers.append(nn.MaxPool2d(REDUCTION_WINDOW, stride=2, padding=REDUCTION_WINDOW // 2))
    return nn.Sequential(*layers, nn.Dropout(config.dropout))


def last_stage(config: AllCNNConfig, in_channels: int, out_channels: int) -> nn.Sequential:
    """The last two convolutions, from `(N, in_channels, H, W)` to `(N, out_channels, H - 2, W - 2)`."""
    layers = []
    for kernel_size in LAST_KERNEL_SIZES:
        layers.append(ConvolutionLayer(config, in_channels, out_channels, kernel_size, stride=1, padding=0))
        in_channels = out_channels
    return nn.Sequential(*layers)


class AllCNNPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: AllCNNConfig
    base_model_prefix = "all_cnn"


class AllCNNModel(FeatureNetwork, AllCNNPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: AllCNNConfig) -> None:
        super().__init__(config)
        first, second, third = config.widths
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.Dropout(config.input_dropout), *reducing_stage(config, config.num_channels, first)),
                reducing_stage(config, first, second),
                last_stage(config, second, third),
            ]
        )
        self.post_init()


class AllCNNBackbone(FeatureBackbone, AllCNNPreTrainedModel):
    """Feature maps by name: `stage1`, `stage2`, `stage3`."""

    network_class = AllCNNModel


class AllCNNForImageClassification(FeatureClassifier, AllCNNPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = AllCNNModel
