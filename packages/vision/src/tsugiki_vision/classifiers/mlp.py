"""The multilayer perceptron: fully connected layers on the pixels (Rumelhart, Hinton & Williams 1986).

The activation, the way weights start (Xavier: Glorot & Bengio 2010; He: He et al. 2015) and dropout (Srivastava et al.
2014) are choices of the config, the optimiser is one of the recipe. With no hidden layer it is the perceptron's linear
classifier, which cannot learn XOR.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from tsugiki.pixel_values import check_size

from .layers import PictureModel
from .staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    Stage,
    StagedConfig,
)

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


@strict
class MLPConfig(StagedConfig, PreTrainedConfig):
    """Sizes and choices of an MLP."""

    model_type = "tsugiki_mlp"

    image_size: int = 28  # pixels a side, the size of the MNIST digits
    num_channels: int = 1  # gray pictures
    hidden_sizes: list[int] | tuple[int, ...] = (256, 256)  # one number a layer; none gives a linear classifier
    activation: Literal["sigmoid", "tanh", "relu", "leaky_relu"] = "relu"
    weight_init: Literal["xavier", "he"] = "he"  # he suits relu and leaky_relu, xavier suits sigmoid and tanh
    input_dropout: float | int = 0.0  # share of pixels silenced in training; 0.2 in the dropout paper
    dropout: float | int = 0.0  # share of hidden units silenced in training; 0.5 in the dropout paper

    @property
    def stage_layout(self) -> list[Stage]:
        """The pixels, then the hidden layers; none of them has places."""
        sizes = [("pixels", self.input_size)]
        sizes += [(f"hidden{number}", size) for number, size in enumerate(self.hidden_sizes, start=1)]
        return [Stage(name, size, WHOLE_PICTURE) for name, size in sizes]

    @property
    def input_size(self) -> int:
        """Numbers in one picture."""
        return self.num_channels * self.image_size**2

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        if self.image_size < 1:
            raise ValueError(f"image_size must be at least 1, not {self.image_size}.")


class MLPPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: MLPConfig
    base_model_prefix = "mlp"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            if self.config.weight_init == "he":
                init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            else:
                init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)


class MLPModel(FeatureNetwork, MLPPreTrainedModel):
    """The hidden layers."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.hidden_layers = nn.ModuleList()
        in_features = config.input_size
        for size in config.hidden_sizes:
            self.hidden_layers.append(
                nn.Sequential(
                    nn.Linear(in_features, size), ACTIVATIONS[config.activation](), nn.Dropout(config.dropout)
                )
            )
            in_features = size
        self.post_init()

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The first `stages` of: the pixels `(N, C * H * W)`, the output of every hidden layer `(N, D)`."""
        check_size(pixel_values, self.config.num_channels, self.config.image_size)
        features = [self.input_dropout(pixel_values.flatten(1))]
        for layer in self.hidden_layers[: stages - 1]:
            features.append(layer(features[-1]))
        return tuple(features)


class MLPBackbone(FeatureBackbone, MLPPreTrainedModel):
    """Features by name, `pixels`, `hidden1`, `hidden2`, …, each as maps of 1x1."""

    network_class = MLPModel


class MLPForImageClassification(FeatureClassifier, MLPPreTrainedModel):
    """The hidden layers with a classifier."""

    network_class = MLPModel
