"""SPP-net (He et al. 2014, Spatial pyramid pooling in deep convolutional networks for visual recognition).

Convolutions take pictures of any size; the hidden layers above them need a vector of one length. Between the two, maps
are pooled into the bins of a pyramid, so that no picture has to be cropped or warped, and one network can be trained
and evaluated at several sizes (`train_multi_size` in `multi_size_training.py`).
"""

from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig

from .layers import LayerChoices, LocalResponseNorm, Normalization, activation, normalization
from .pyramid_pooling import PyramidPooling, pyramid_bins
from .staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    ImageNetwork,
    Stage,
    StagedConfig,
)

POOLING_WINDOW = 3  # pixels a side of the pooling between convolutions, with stride 2 and one of padding


@strict
class SPPNetConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes of an SPP-net; the defaults are ZF-5 of the paper's table 1 with its pyramid of 50 bins.

    For pictures of 32 pixels: `image_size=32, conv_channels=(32, 64, 128), kernel_sizes=(3, 3, 3), strides=(1, 1, 1),
    paddings=(1, 1, 1), pooled_after=(1, 2), pyramid_levels=(4, 2, 1), hidden_sizes=(256,), local_response_norm=False,
    normalization="batch"`.
    """

    model_type = "tsugiki_sppnet"

    image_size: int = 224  # pixels a side of most of its pictures; any size of at least `minimum_size` runs
    conv_channels: list[int] | tuple[int, ...] = (96, 256, 384, 384, 256)
    kernel_sizes: list[int] | tuple[int, ...] = (7, 5, 3, 3, 3)  # one number a convolution, as in the next two
    strides: list[int] | tuple[int, ...] = (2, 2, 1, 1, 1)
    paddings: list[int] | tuple[int, ...] = (1, 0, 1, 1, 1)  # 224 pixels become maps of 13, as in table 1
    pooled_after: list[int] | tuple[int, ...] = (
        1,
        2,
    )  # convolutions, from 1, that 3x3 max pooling with stride 2 follows
    pyramid_levels: list[int] | tuple[int, ...] = (6, 3, 2, 1)  # bins a side; (4, 3, 2, 1) has 30 bins
    hidden_sizes: list[int] | tuple[int, ...] = (4096, 4096)  # may be empty: a classifier on the pyramid itself
    dropout: float | int = 0.5  # share of hidden units silenced in training
    local_response_norm: bool = (
        True  # normalise pooled convolutions across channels (Krizhevsky et al. 2012, section 3.3)
    )
    normalization: Normalization = "none"  # after each convolution

    @property
    def pyramid_size(self) -> int:
        """Length of the vector that the pyramid gives, whatever the picture's size."""
        return (self.conv_channels[-1] if self.conv_channels else 0) * pyramid_bins(self.pyramid_levels)

    @property
    def stage_layout(self) -> list[Stage]:
        """The convolutions, the pyramid, the hidden layers."""
        stride, layout = 1, []
        for number, channels in enumerate(self.conv_channels, start=1):
            own = self.strides[number - 1] if number <= len(self.strides) else 1  # a wrong number is refused later
            stride *= own * (2 if number in self.pooled_after else 1)
            layout.append(Stage(f"convolution{number}", channels, stride))
        layout.append(Stage("pyramid", self.pyramid_size, WHOLE_PICTURE))
        return layout + [Stage(f"hidden{n}", size, WHOLE_PICTURE) for n, size in enumerate(self.hidden_sizes, start=1)]

    @property
    def minimum_size(self) -> int:
        """Pixels a side of the smallest picture of which a place is left in the last maps."""
        size = 1
        for number in reversed(range(len(self.conv_channels))):
            if number + 1 in self.pooled_after:
                size = 2 * size - 1
            size = (size - 1) * self.strides[number] + self.kernel_sizes[number] - 2 * self.paddings[number]
            size = max(size, 1)
        return size

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        for name, lowest in (("conv_channels", 1), ("kernel_sizes", 1), ("strides", 1), ("pyramid_levels", 1)):
            sizes = list(getattr(self, name))
            if not sizes or min(sizes) < lowest:
                raise ValueError(f"{name} must be one or more positive numbers, not {sizes}.")
        for name in ("kernel_sizes", "strides", "paddings"):
            if len(getattr(self, name)) != len(self.conv_channels):
                raise ValueError(
                    f"{name} must have one number for each of the {len(self.conv_channels)} conv_channels, not "
                    f"{list(getattr(self, name))}."
                )
        if min(self.paddings) < 0:
            raise ValueError(f"paddings must be at least 0, not {list(self.paddings)}.")
        if not set(self.pooled_after) <= set(range(1, len(self.conv_channels) + 1)):
            raise ValueError(
                f"pooled_after must name convolutions from 1 to {len(self.conv_channels)}, "
                f"not {list(self.pooled_after)}."
            )
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        if self.image_size < self.minimum_size:
            raise ValueError(
                f"image_size must be at least {self.minimum_size} with these convolutions, not {self.image_size}."
            )


def convolution(config: SPPNetConfig, number: int, in_channels: int) -> nn.Sequential:
    """Convolution `number`, from 0, with what follows it before the next."""
    channels = config.conv_channels[number]
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels,
            channels,
            config.kernel_sizes[number],
            stride=config.strides[number],
            padding=config.paddings[number],
            bias=config.normalization == "none",  # a normalisation has its own
        ),
        normalization(config.normalization, channels),
        activation(config.activation),
    ]
    if number + 1 in config.pooled_after:
        if config.local_response_norm:
            layers.append(LocalResponseNorm())
        layers.append(nn.MaxPool2d(POOLING_WINDOW, stride=2, padding=1))
    return nn.Sequential(*layers)


class SPPNetPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: SPPNetConfig
    base_model_prefix = "sppnet"
    weight_init_draws_linear = True


class SPPNetModel(FeatureNetwork, SPPNetPreTrainedModel):
    """The network below the classifier. `last_hidden_state` holds the maps before the pyramid."""

    def __init__(self, config: SPPNetConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList()
        in_channels = config.num_channels
        for number, channels in enumerate(config.conv_channels):
            self.stages.append(convolution(config, number, in_channels))
            in_channels = channels
        self.stages.append(PyramidPooling(config.pyramid_levels))
        in_features = config.pyramid_size
        for size in config.hidden_sizes:
            self.stages.append(
                nn.Sequential(nn.Linear(in_features, size), activation(config.activation), nn.Dropout(config.dropout))
            )
            in_features = size
        self.post_init()


class SPPNetBackbone(FeatureBackbone, SPPNetPreTrainedModel):
    """Feature maps by name: `convolution1`, …; then `pyramid`, `hidden1`, … as maps of 1x1."""

    network_class = SPPNetModel


class SPPNetForImageClassification(FeatureClassifier, SPPNetPreTrainedModel):
    """SPP-net with its classifier. Pictures of any size from `config.minimum_size` give logits of one length."""

    network_class = SPPNetModel
