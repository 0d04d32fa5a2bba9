"""Network in network (Lin, Chen and Yan 2013).

A convolution followed by two of 1x1, each with ReLU, is a small perceptron that slides over the picture (section 3.1,
mlpconv). Three such blocks with 3x3 pooling and dropout between them are the paper's network for CIFAR-10; no hidden
layer is needed, for the last block has one map per class and the mean over all places is the answer (section 3.2).

Here the last 1x1 convolution to the classes is the linear `classifier` on the mean of the features below it, which a
fine-tuning can replace. Mean and 1x1 convolution may change places, so that gives the same logits, except for one
thing: the authors' code has a ReLU on the maps of the classes, below which no logit can fall. It is left out.
"""

from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, Normalization, activation, normalization
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, ImageNetwork, Stage, StagedConfig


@strict
class NINConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices of a network in network; the defaults are the paper's for CIFAR-10.

    For ImageNet-like pictures: `image_size=224, block_channels=((96, 96, 96), (256, 256, 256), (384, 384, 384),
    (1024, 1024)), kernel_sizes=(11, 5, 3, 3), strides=(4, 1, 1, 1), pooling="max"`, the form that the authors published
    for Caffe.
    """

    model_type = "tsugiki_nin"

    image_size: int = 32  # pixels a side that it is trained on; any size runs
    block_channels: list[list[int]] | list[tuple[int, ...]] | tuple[tuple[int, ...], ...] = (
        (192, 160, 96),
        (192, 192, 192),
        (192, 192),
    )  # of each block: the convolution, then those of 1x1; the classifier is the third of the last
    kernel_sizes: list[int] | tuple[int, ...] = (5, 5, 3)  # of the first convolution of each block
    strides: list[int] | tuple[int, ...] = (1, 1, 1)  # likewise
    width_multiplier: float | int = 1.0  # of all channels
    pooling: Literal["max_then_mean", "max"] = "max_then_mean"  # after the first block, then after the others but last
    dropout: float | int = 0.5  # share of units silenced in training, after each pooling
    normalization: Normalization = "none"  # after every convolution

    @property
    def widths(self) -> list[list[int]]:
        """Channels of each block after the multiplier."""
        return [[max(1, round(size * self.width_multiplier)) for size in block] for block in self.block_channels]

    @property
    def pooled_blocks(self) -> int:
        """Blocks that pooling follows: all but the last."""
        return len(self.block_channels) - 1

    @property
    def stage_layout(self) -> list[Stage]:
        """The blocks, each with the pooling that follows it."""
        layout, stride = [], 1
        for number, channels in enumerate(self.widths, start=1):
            stride *= self.strides[number - 1] if number <= len(self.strides) else 1
            stride *= 2 if number <= self.pooled_blocks else 1
            layout.append(Stage(f"block{number}", channels[-1] if channels else 0, stride))
        return layout

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        blocks = [list(block) for block in self.block_channels]
        if not blocks or any(not block or min(block) < 1 for block in blocks):
            raise ValueError(f"block_channels must be one or more lists of positive numbers, not {blocks}.")
        for name in ("kernel_sizes", "strides"):
            sizes = list(getattr(self, name))
            if len(sizes) != len(blocks) or min(sizes) < 1:
                raise ValueError(f"{name} must be a positive number for each of the {len(blocks)} blocks, not {sizes}.")
        if self.width_multiplier <= 0 or self.image_size < 1:
            raise ValueError(
                f"width_multiplier must be above 0 and image_size at least 1, not {self.width_multiplier} and "
                f"{self.image_size}."
            )


def pooling(config: NINConfig, number: int) -> nn.Module:
    """What follows block `number`, from 0: overlapping 3x3 windows of stride 2, which cover odd borders too.

    The authors' network for CIFAR-10 takes the maximum after the first block and the mean after the second; theirs for
    ImageNet takes maxima only.
    """
    if number == 0 or config.pooling == "max":
        return nn.MaxPool2d(3, stride=2, padding=1)
    return nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)


class MLPConv(nn.Sequential):
    """One block: a convolution and those of 1x1, `(N, in_channels, H, W)` to `(N, C, H / stride, W / stride)`."""

    def __init__(self, config: NINConfig, number: int, in_channels: int) -> None:
        layers: list[nn.Module] = []
        for index, channels in enumerate(config.widths[number]):
            kernel = config.kernel_sizes[number] if index == 0 else 1
            stride = config.strides[number] if index == 0 else 1
            layers += [
                nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2),
                normalization(config.normalization, channels),
                activation(config.activation),
            ]
            in_channels = channels
        if number < config.pooled_blocks:
            layers += [pooling(config, number), nn.Dropout(config.dropout)]
        super().__init__(*layers)


class NINPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: NINConfig
    base_model_prefix = "nin"
    _no_split_modules = ["MLPConv"]  # noqa: RUF012


class NINModel(FeatureNetwork, NINPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: NINConfig) -> None:
        super().__init__(config)
        inputs = [config.num_channels, *(block[-1] for block in config.widths)]
        self.stages = nn.ModuleList(MLPConv(config, number, inputs[number]) for number in range(len(config.widths)))
        self.post_init()


class NINBackbone(FeatureBackbone, NINPreTrainedModel):
    """Feature maps by name: `block1`, `block2`, `block3`."""

    network_class = NINModel


class NINForImageClassification(FeatureClassifier, NINPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = NINModel
