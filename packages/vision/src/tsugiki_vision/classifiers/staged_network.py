"""What the image networks of the plugin share: named stages, seen as features, as a backbone and as a classifier.

A family writes its config with a `stage_layout`, its layers, and a model whose `stages` run one after the other. The
three faces that transformers knows, `AutoModel`, `AutoBackbone` and `AutoModelForImageClassification`, follow from it:

    class VGGPreTrainedModel(ImageNetwork): ...                          # names the config
    class VGGModel(FeatureNetwork, VGGPreTrainedModel): ...              # builds `self.stages`
    class VGGBackbone(FeatureBackbone, VGGPreTrainedModel):
        network_class = VGGModel
    class VGGForImageClassification(FeatureClassifier, VGGPreTrainedModel):
        network_class = VGGModel
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import (
    BackboneOutput,
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)
from tsugiki.classification_loss import classification_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

from .layers import LayerChoicesModel, PictureModel


class Stage(NamedTuple):
    """One stage of a network: its name, the channels of its maps, and the pixels of the picture per step in them.

    A stage that gives features without a place, such as a hidden layer, has the stride `WHOLE_PICTURE`.
    """

    name: str
    channels: int
    stride: int


WHOLE_PICTURE = 0


@dataclass(kw_only=True, repr=False)
class StagedConfig(ClassifierHeadConfig, BackboneConfigMixin):
    """Config fields and stage names that all image networks share. Inherit from it before `PreTrainedConfig`."""

    num_channels: int = 3  # colours of the picture

    def __post_init__(self, **kwargs: Any) -> None:
        kwargs.pop("stage_names", None)  # written to config.json, but never a choice
        # Sizes that give no stage are refused when the fields are validated, which comes after.
        self.stage_names = [stage.name for stage in self.stage_layout] or ["none"]
        self.set_output_features_output_indices(
            out_features=kwargs.pop("out_features", None), out_indices=kwargs.pop("out_indices", None)
        )
        super().__post_init__(**kwargs)

    @property
    def stage_layout(self) -> list[Stage]:
        """The stages from input to output. Called before the fields are validated, so it must not raise."""
        raise NotImplementedError  # abstract

    @property
    def minimum_size(self) -> int:
        """Pixels a side of the smallest picture that the network takes."""
        return 1

    def validate_channels(self) -> None:
        """Refuse pictures without channels."""
        if self.num_channels < 1:
            raise ValueError(f"num_channels must be at least 1, not {self.num_channels}.")


class ImageNetwork(LayerChoicesModel, PictureModel):
    """What the models of a family inherit whose config has `LayerChoices`: pictures in, weights as the config says."""


class FeatureNetwork(PreTrainedModel):
    """A network below its classifier. A subclass sets `self.stages`, each from the output of the one before.

    A stage gives maps `(N, C, H, W)`, or features `(N, D)` from the first hidden layer on.
    """

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012
    stages: nn.ModuleList

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The outputs of the first `stages` stages for pictures `(N, num_channels, H, W)`."""
        check_picture(pixel_values, self.config.num_channels, self.config.minimum_size)
        maps = []
        hidden = pixel_values
        for stage in self.stages[:stages]:
            hidden = stage(hidden)
            maps.append(hidden)
        return tuple(maps)

    @forward_options
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Compute features.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `last_hidden_state`: the last maps `(N, C, H, W)`; `pooler_output`: what the classifier sees `(N, D)`, the
            last hidden layer or the mean of the last maps over all places.
        """
        maps = self.feature_maps(pixel_values, len(self.config.stage_names))
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=next((one for one in reversed(maps) if one.ndim == 4), maps[-1]),
            pooler_output=maps[-1].mean(dim=(2, 3)) if maps[-1].ndim == 4 else maps[-1],
            hidden_states=maps if output_hidden_states else None,
        )


class FeatureBackbone(BackboneMixin, PreTrainedModel):
    """Feature maps by the names of the stages, for detectors, captioners and transfer.

    Only the stages up to the last one asked for are computed, so that pictures of other sizes run where those allow it.
    Features without a place come as maps of 1x1.
    """

    has_attentions = False
    network_class: ClassVar[type[FeatureNetwork]]
    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.num_features = [stage.channels for stage in config.stage_layout]
        setattr(self, self.base_model_prefix, self.network_class(config))
        self.post_init()

    @property
    def strides(self) -> list[int]:
        """Pixels of the picture per step in each map of `out_features`; `WHOLE_PICTURE` (0) for maps of 1x1."""
        layout = self.config.stage_layout
        return [layout[index].stride for index in self.out_indices]

    @forward_options
    def forward(  # type: ignore[override]  # the decorator takes the other options
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BackboneOutput:
        """Return the maps that `config.out_features` names, for pictures `(N, num_channels, H, W)`."""
        last = max(index % len(self.stage_names) for index in self.out_indices)  # they may count from the end
        stages = len(self.stage_names) if output_hidden_states else last + 1
        network: FeatureNetwork = getattr(self, self.base_model_prefix)
        maps = network.feature_maps(pixel_values, stages)
        maps = tuple(one if one.ndim == 4 else one[:, :, None, None] for one in maps)  # (N, D) -> (N, D, 1, 1)
        return BackboneOutput(
            feature_maps=tuple(maps[index % len(self.stage_names)] for index in self.out_indices),
            hidden_states=maps if output_hidden_states else None,
        )


class FeatureClassifier(PreTrainedModel):
    """A network with a classifier on its pooled features."""

    network_class: ClassVar[type[FeatureNetwork]]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.network_class(config))
        self.classifier = classifier_head(config, config.stage_layout[-1].channels)
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify pictures.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`.
            labels: Class indices `(N,)`, of which -100 leaves a row out, or probabilities of the classes
                `(N, num_labels)`, or what else `config.problem_type` asks for: see `classification_loss`. With them
                the output holds the loss.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        network: FeatureNetwork = getattr(self, self.base_model_prefix)
        features = network(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(features.pooler_output)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)


class HelpedClassifier(FeatureClassifier):
    """The network with dropout before its classifier, and auxiliary classifiers for training where the config asks.

    Attributes:
        auxiliary_head: Makes an auxiliary classifier of the config and the channels of the maps that it sees.
        auxiliary_stages: Names of the stages that have one.
        auxiliary_minimum_size: Pixels a side of the smallest picture that they take.
    """

    auxiliary_head: ClassVar[type[nn.Module]]
    auxiliary_stages: ClassVar[tuple[str, ...]]
    auxiliary_minimum_size: ClassVar[int] = 1
    _keys_to_ignore_on_load_unexpected = [r"^auxiliary_heads\."]  # noqa: RUF012

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        if config.auxiliary_heads:
            channels = {stage.name: stage.channels for stage in config.stage_layout}
            heads = [self.auxiliary_head(config, channels[name]) for name in self.auxiliary_stages]
            self.auxiliary_heads = nn.ModuleList(heads)
            self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify pictures, as `FeatureClassifier.forward` does.

        In training, the losses of the auxiliary classifiers are added with `auxiliary_weight`.
        """
        helped = self.config.auxiliary_heads and self.training and labels is not None
        if helped:
            check_picture(pixel_values, self.config.num_channels, self.auxiliary_minimum_size)
        network: FeatureNetwork = getattr(self, self.base_model_prefix)
        features = network(pixel_values, output_hidden_states=output_hidden_states or helped, return_dict=True)
        logits = self.classifier(self.dropout(features.pooler_output))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        if helped and labels is not None and loss is not None:
            for head, name in zip(self.auxiliary_heads, self.auxiliary_stages, strict=True):
                maps = features.hidden_states[self.config.stage_names.index(name)]
                loss = loss + self.config.auxiliary_weight * classification_loss(head(maps), labels, self.config)
        return ImageClassifierOutputWithNoAttention(
            loss=loss, logits=logits, hidden_states=features.hidden_states if output_hidden_states else None
        )
