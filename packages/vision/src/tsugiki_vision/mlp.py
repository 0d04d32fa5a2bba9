"""The multilayer perceptron: fully connected layers on the pixels (Rumelhart, Hinton & Williams 1986).

The activation, the way weights start (Xavier: Glorot & Bengio 2010; He: He et al. 2015) and dropout (Srivastava et al.
2014) are choices of the config, the optimiser is one of the recipe. With no hidden layer it is the perceptron's linear
classifier, which cannot learn XOR.
"""

from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)
from transformers.utils.generic import can_return_tuple
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head

from .pixel_values import check_size

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


@strict
class MLPConfig(ClassifierHeadConfig, BackboneConfigMixin, PreTrainedConfig):
    """Sizes and choices of an MLP."""

    model_type = "tsugiki_mlp"

    image_size: int = 28  # pixels a side, the size of the MNIST digits
    num_channels: int = 1  # gray pictures
    hidden_sizes: list[int] | tuple[int, ...] = (256, 256)  # one number a layer; none gives a linear classifier
    activation: Literal["sigmoid", "tanh", "relu", "leaky_relu"] = "relu"
    weight_init: Literal["xavier", "he"] = "he"  # he suits relu and leaky_relu, xavier suits sigmoid and tanh
    input_dropout: float | int = 0.0  # share of pixels silenced in training; 0.2 in the dropout paper
    dropout: float | int = 0.0  # share of hidden units silenced in training; 0.5 in the dropout paper

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes = list(self.hidden_sizes)
        kwargs.pop("stage_names", None)  # written to config.json, but never a choice
        self.stage_names = ["pixels", *(f"hidden{number}" for number in range(1, len(self.hidden_sizes) + 1))]
        self.set_output_features_output_indices(
            out_features=kwargs.pop("out_features", None), out_indices=kwargs.pop("out_indices", None)
        )
        super().__post_init__(**kwargs)

    @property
    def input_size(self) -> int:
        """Numbers in one picture."""
        return self.num_channels * self.image_size**2

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        if self.num_channels < 1 or self.image_size < 1:
            raise ValueError(
                f"num_channels and image_size must be at least 1, not {self.num_channels} and {self.image_size}."
            )
        for name in ("input_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}.")


class MLPPreTrainedModel(PreTrainedModel):
    """Weight initialisation and loading for the family."""

    config: MLPConfig
    config_class = MLPConfig
    base_model_prefix = "mlp"
    main_input_name = "pixel_values"
    input_modalities = "image"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            if self.config.weight_init == "he":
                init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            else:
                init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)


class MLPModel(MLPPreTrainedModel):
    """The hidden layers."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

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

    def features(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """The pixels `(N, C * H * W)` and the output of every hidden layer `(N, D)`."""
        check_size(pixel_values, self.config.num_channels, self.config.image_size)
        features = [self.input_dropout(pixel_values.flatten(1))]
        for layer in self.hidden_layers:
            features.append(layer(features[-1]))
        return tuple(features)

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Compute features.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, image_size, image_size)`.
            output_hidden_states: Return the pixels and the output of every layer as well; the config's value if `None`.

        Returns:
            `last_hidden_state` and `pooler_output`, both the last hidden layer `(N, 256)` (for the default sizes).
        """
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        features = self.features(pixel_values)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=features[-1],
            pooler_output=features[-1],
            hidden_states=features if output_hidden_states else None,
        )


class MLPBackbone(BackboneMixin, MLPPreTrainedModel):
    """Features by name, `pixels`, `hidden1`, `hidden2`, …, each as maps of 1x1."""

    has_attentions = False
    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        self.num_features = [config.input_size, *config.hidden_sizes]
        self.mlp = MLPModel(config)
        self.post_init()

    @can_return_tuple
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> BackboneOutput:
        """Return the features `(N, D, 1, 1)` that `config.out_features` names."""
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        maps = tuple(features[:, :, None, None] for features in self.mlp.features(pixel_values))
        return BackboneOutput(
            feature_maps=tuple(maps[index] for index in self.out_indices),
            hidden_states=maps if output_hidden_states else None,
        )


class MLPForImageClassification(MLPPreTrainedModel):
    """The hidden layers with a classifier."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        self.mlp = MLPModel(config)
        self.classifier = classifier_head(config, config.hidden_sizes[-1] if config.hidden_sizes else config.input_size)
        self.post_init()

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify pictures.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, image_size, image_size)`.
            labels: Class indices `(N,)`; -100 leaves a row out. With them the output holds the mean cross entropy.
            output_hidden_states: Return the pixels and the output of every layer as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        features = self.mlp(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(features.pooler_output)
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)
