"""Image classifiers: plain convolutions, hidden layers alone, convolutions with batch normalisation."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)
from tsugiki.classification_loss import classification_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
KERNEL_SIZE = 5


@dataclass(kw_only=True, repr=False)
class StagedConfig(ClassifierHeadConfig, BackboneConfigMixin):
    num_channels: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        kwargs.pop("stage_names", None)
        self.stage_names = list(self.widths) or ["none"]
        self.set_output_features_output_indices(
            out_features=kwargs.pop("out_features", None), out_indices=kwargs.pop("out_indices", None)
        )
        super().__post_init__(**kwargs)

    @property
    def widths(self) -> dict[str, int]:
        raise NotImplementedError


@strict
class PlainConfig(StagedConfig, PreTrainedConfig):
    model_type = "tsugiki_plain"

    image_size: int = 32
    conv_channels: list[int] | tuple[int, ...] = (6, 16)
    hidden_sizes: list[int] | tuple[int, ...] = (12, 8)
    activation: Literal["relu", "tanh"] = "relu"
    dropout: float | int = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        self.conv_channels, self.hidden_sizes = list(self.conv_channels), list(self.hidden_sizes)
        super().__post_init__(**kwargs)

    @property
    def widths(self) -> dict[str, int]:
        found = {f"convolution{number}": width for number, width in enumerate(self.conv_channels, 1)}
        return found | {f"hidden{number}": width for number, width in enumerate(self.hidden_sizes, 1)}

    def validate_sizes(self) -> None:
        if not self.hidden_sizes or min(*self.conv_channels, *self.hidden_sizes, self.image_size) < 1:
            raise ValueError("image_size, conv_channels and hidden_sizes must be positive numbers.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}.")


@strict
class FlatConfig(PlainConfig):
    model_type = "tsugiki_flat"

    conv_channels: list[int] | tuple[int, ...] = ()


@strict
class NormedConfig(StagedConfig, PreTrainedConfig):
    model_type = "tsugiki_normed"

    num_channels: int = 3
    stage_channels: list[int] | tuple[int, ...] = (4, 8, 8)
    blocks: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        self.stage_channels = list(self.stage_channels)
        super().__post_init__(**kwargs)

    @property
    def widths(self) -> dict[str, int]:
        stages = {f"stage{number}": width for number, width in enumerate(self.stage_channels, 1)}
        return {"stem": self.stage_channels[0], **stages}


class ToyNetwork(PreTrainedModel):
    main_input_name = "pixel_values"
    input_modalities = "image"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d | nn.Linear):
            init.normal_(module.weight, std=math.sqrt(2 / module.weight[0].numel()))
            if module.bias is not None:
                init.zeros_(module.bias)


class ToyBody(ToyNetwork):
    """A network below its classifier: `maps` gives the output of every stage, `(N, C, H, W)` or `(N, D)`."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def maps(self, pixel_values: Tensor) -> list[Tensor]:
        raise NotImplementedError

    @forward_options
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        maps = self.maps(pixel_values)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=maps[-1],
            pooler_output=maps[-1].mean(dim=(2, 3)) if maps[-1].ndim == 4 else maps[-1],
            hidden_states=tuple(maps) if output_hidden_states else None,
        )


class ToyBackbone(BackboneMixin, ToyNetwork):
    has_attentions = False
    body_class: ClassVar[type[ToyBody]]
    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.num_features = list(config.widths.values())
        setattr(self, self.base_model_prefix, self.body_class(config))
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> BackboneOutput:
        maps = getattr(self, self.base_model_prefix).maps(pixel_values)
        maps = tuple(one if one.ndim == 4 else one[:, :, None, None] for one in maps)
        chosen = tuple(maps[index] for index in self.out_indices)
        return BackboneOutput(feature_maps=chosen, hidden_states=maps if output_hidden_states else None)


class ToyClassifier(ToyNetwork):
    body_class: ClassVar[type[ToyBody]]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.body_class(config))
        self.classifier = classifier_head(config, list(config.widths.values())[-1])
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        body = getattr(self, self.base_model_prefix)
        features = body(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(features.pooler_output)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)


class PlainModel(ToyBody):
    config_class = PlainConfig
    base_model_prefix = "plain"

    def __init__(self, config: PlainConfig) -> None:
        super().__init__(config)
        activation = ACTIVATIONS[config.activation]
        self.convolutions, self.hidden_layers = nn.ModuleList(), nn.ModuleList()
        channels, size = config.num_channels, config.image_size
        for width in config.conv_channels:
            convolution = nn.Conv2d(channels, width, KERNEL_SIZE)
            self.convolutions.append(nn.Sequential(convolution, activation(), nn.MaxPool2d(2)))
            channels, size = width, (size - KERNEL_SIZE + 1) // 2
        inputs = channels * size**2
        for width in config.hidden_sizes:
            self.hidden_layers.append(nn.Sequential(nn.Linear(inputs, width), activation(), nn.Dropout(config.dropout)))
            inputs = width
        self.post_init()

    def maps(self, pixel_values: Tensor) -> list[Tensor]:
        maps, hidden = [], pixel_values
        for convolution in self.convolutions:
            hidden = convolution(hidden)
            maps.append(hidden)
        hidden = hidden.flatten(1)
        for layer in self.hidden_layers:
            hidden = layer(hidden)
            maps.append(hidden)
        return maps


class PlainBackbone(ToyBackbone):
    config_class, base_model_prefix, body_class = PlainConfig, "plain", PlainModel


class PlainForImageClassification(ToyClassifier):
    config_class, base_model_prefix, body_class = PlainConfig, "plain", PlainModel


class FlatModel(PlainModel):
    config_class = FlatConfig
    base_model_prefix = "flat"


class FlatBackbone(ToyBackbone):
    config_class, base_model_prefix, body_class = FlatConfig, "flat", FlatModel


class FlatForImageClassification(ToyClassifier):
    config_class, base_model_prefix, body_class = FlatConfig, "flat", FlatModel


def normed_block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


class NormedModel(ToyBody):
    config_class = NormedConfig
    base_model_prefix = "normed"

    def __init__(self, config: NormedConfig) -> None:
        super().__init__(config)
        channels = config.stage_channels[0]
        self.stem = normed_block(config.num_channels, channels)
        self.stages = nn.ModuleList()
        for number, width in enumerate(config.stage_channels):
            first = normed_block(channels, width, stride=2 if number else 1)
            self.stages.append(nn.Sequential(first, *(normed_block(width, width) for _ in range(config.blocks - 1))))
            channels = width
        self.post_init()

    def maps(self, pixel_values: Tensor) -> list[Tensor]:
        maps = [self.stem(pixel_values)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class NormedBackbone(ToyBackbone):
    config_class, base_model_prefix, body_class = NormedConfig, "normed", NormedModel


class NormedForImageClassification(ToyClassifier):
    config_class, base_model_prefix, body_class = NormedConfig, "normed", NormedModel
