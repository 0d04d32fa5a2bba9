"""Exemplar-CNN (Dosovitskiy et al. 2014, Discriminative unsupervised feature learning with exemplar CNNs).

A small convolutional network that learns without labels: each seed patch is a class of its own, and the network has to
recognise it under strong changes of place, size, angle, contrast and colour (`exemplar_training.py`). What it gives in
the end are the maps of its last convolution, pooled in the four quadrants of the picture, with a linear classifier on
them, which alone has seen labels.

The paper pools the maps of every layer in quadrants, its fully connected layer among them, and joins them. Here only
the last convolution is kept, so that features stay few; the fully connected layer serves the learning alone.
"""

from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig
from tsugiki.adaptive_pooling import Pooling

from ..classifiers.layers import LayerChoices, Normalization, activation, normalization
from ..classifiers.pyramid_pooling import PyramidPooling, pyramid_bins
from ..classifiers.staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    ImageNetwork,
    Stage,
    StagedConfig,
)


@strict
class ExemplarCNNConfig(StagedConfig, LayerChoices, PreTrainedConfig):
    """Sizes of an Exemplar-CNN; the defaults are the convolutions of the paper's larger network.

    `conv_channels=(64, 64)` are those of its smaller one, 64c5-64c5-128f.
    """

    model_type = "tsugiki_exemplar_cnn"

    image_size: int = 32  # pixels a side of patches and pictures; any size of at least 4 pixels runs
    conv_channels: list[int] | tuple[int, ...] = (92, 256, 512)  # 92c5-256c5-512c5-1024f
    kernel_size: int = 5  # of every convolution
    quadrants: int = 2  # the last maps are pooled into so many bins a side
    pooling: Pooling = "max"  # in the quadrants
    normalization: Normalization = "none"  # after each convolution; none in the paper

    @property
    def feature_size(self) -> int:
        """Length of the vector that the classifier sees."""
        return (self.conv_channels[-1] if self.conv_channels else 0) * pyramid_bins([self.quadrants])

    @property
    def stage_layout(self) -> list[Stage]:
        """The convolutions, of which the first two halve the picture, and the quadrants."""
        layout = [
            Stage(f"convolution{n}", channels, 2 ** min(n, 2)) for n, channels in enumerate(self.conv_channels, start=1)
        ]
        return [*layout, Stage("quadrants", self.feature_size, WHOLE_PICTURE)]

    @property
    def minimum_size(self) -> int:
        """Pixels a side of which the halvings leave one."""
        return 2 ** min(len(self.conv_channels), 2)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if not self.conv_channels or min(self.conv_channels) < 1:
            raise ValueError(f"conv_channels must be one or more positive numbers, not {list(self.conv_channels)}.")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {self.kernel_size}.")
        if self.quadrants < 1:
            raise ValueError(f"quadrants must be at least 1, not {self.quadrants}.")
        if self.image_size < self.minimum_size:
            raise ValueError(f"image_size must be at least {self.minimum_size}, not {self.image_size}.")


class ExemplarCNNPreTrainedModel(ImageNetwork):
    """Weight initialisation and loading for the family."""

    config: ExemplarCNNConfig
    base_model_prefix = "exemplar_cnn"
    weight_init_draws_linear = True


class ExemplarCNNModel(FeatureNetwork, ExemplarCNNPreTrainedModel):
    """The network below the classifier. `last_hidden_state` holds the maps before they are pooled in quadrants."""

    def __init__(self, config: ExemplarCNNConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList()
        in_channels = config.num_channels
        for number, channels in enumerate(config.conv_channels):
            layers: list[nn.Module] = [
                nn.Conv2d(
                    in_channels,
                    channels,
                    config.kernel_size,
                    padding=config.kernel_size // 2,
                    bias=config.normalization == "none",  # a normalisation has its own
                ),
                normalization(config.normalization, channels),
                activation(config.activation),
            ]
            if number < 2:
                layers.append(nn.MaxPool2d(2))
            self.stages.append(nn.Sequential(*layers))
            in_channels = channels
        self.stages.append(PyramidPooling([config.quadrants], config.pooling))
        self.post_init()


class ExemplarCNNBackbone(FeatureBackbone, ExemplarCNNPreTrainedModel):
    """Feature maps by name: `convolution1`, …; then `quadrants` as maps of 1x1."""

    network_class = ExemplarCNNModel


class ExemplarCNNForImageClassification(FeatureClassifier, ExemplarCNNPreTrainedModel):
    """The network with a classifier on its quadrants."""

    network_class = ExemplarCNNModel
