"""The residual network for 32-pixel pictures: ResNet-20, 32, 44, 56, 110 (He et al. 2015, section 4.2).

One 3x3 convolution, three stages of n basic blocks with 16, 32 and 64 channels at 32, 16 and 8 pixels, the mean over
all places, a linear classifier: 6n + 2 layers with weights. Between stages the shortcut has no parameters (option A),
which gives 269,722 parameters at depth 20 and 853,018 at depth 56 with ten labels.
"""

import math
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

from .pixel_values import check_channels

STAGES = 3  # the paper's design; the depth formula 6n + 2 counts 2 layers in each of n blocks of 3 stages


@strict
class CifarResNetConfig(ClassifierHeadConfig, BackboneConfigMixin, PreTrainedConfig):
    """Sizes of a CIFAR ResNet; the defaults are ResNet-20."""

    model_type = "tsugiki_cifar_resnet"

    num_channels: int = 3  # colours of the picture
    image_size: int = 32  # pixels a side that it is trained on; any size of at least 4 pixels runs
    depth: int = 20  # layers with weights, 6n + 2: 20, 32, 44, 56, 110 in the paper
    stage_channels: list[int] | tuple[int, ...] = (16, 32, 64)  # the paper's widths; wider means stronger and slower
    shortcut: Literal["identity", "projection"] = (
        "identity"  # option A: subsample and pad with zeros; B: 1x1 convolution
    )

    def __post_init__(self, **kwargs: Any) -> None:
        self.stage_channels = list(self.stage_channels)
        kwargs.pop("stage_names", None)  # written to config.json, but never a choice
        self.stage_names = ["stem", *(f"stage{number}" for number in range(1, STAGES + 1))]
        self.set_output_features_output_indices(
            out_features=kwargs.pop("out_features", None), out_indices=kwargs.pop("out_indices", None)
        )
        super().__post_init__(**kwargs)

    @property
    def blocks_per_stage(self) -> int:
        """The paper's n."""
        return (self.depth - 2) // (2 * STAGES)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if self.depth < 8 or (self.depth - 2) % (2 * STAGES):
            raise ValueError(f"depth must be 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), not {self.depth}.")
        if len(self.stage_channels) != STAGES or min(self.stage_channels) < 1:
            raise ValueError(f"stage_channels must be {STAGES} positive numbers, not {list(self.stage_channels)}.")
        if self.shortcut == "identity" and list(self.stage_channels) != sorted(self.stage_channels):
            raise ValueError(
                f"stage_channels {list(self.stage_channels)} shrink, but the identity shortcut can only add channels: "
                'let them grow, or set shortcut="projection".'
            )
        if self.num_channels < 1 or self.image_size < 4:
            raise ValueError(
                "num_channels must be at least 1 and image_size at least 4, "
                f"not {self.num_channels} and {self.image_size}."
            )


class IdentityShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros in the channels that the block adds. No parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added_channels = out_channels - in_channels

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        hidden = hidden[:, :, :: self.stride, :: self.stride]
        return F.pad(hidden, (0, 0, 0, 0, 0, self.added_channels))


class ProjectionShortcut(nn.Module):
    """Option B: a strided 1x1 convolution with batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        return self.norm(self.convolution(hidden))


SHORTCUTS = {"identity": IdentityShortcut, "projection": ProjectionShortcut}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them (figure 2 of the paper)."""

    def __init__(self, config: CifarResNetConfig, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.convolution2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        same_shape = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same_shape else SHORTCUTS[config.shortcut](in_channels, out_channels, stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        # In place where autograd allows it: batch norm keeps its input, ReLU its output, the sum neither.
        residual = F.relu(self.norm1(self.convolution1(hidden)), inplace=True)
        residual = self.norm2(self.convolution2(residual))
        residual += self.shortcut(hidden)
        return F.relu(residual, inplace=True)


class Stem(nn.Module):
    """The first convolution, at the picture's own size."""

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(config.num_channels, config.stage_channels[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(config.stage_channels[0])

    def forward(self, pixel_values: Tensor) -> Tensor:
        """From pictures `(N, num_channels, H, W)` to maps `(N, C, H, W)`."""
        return F.relu(self.norm(self.convolution(pixel_values)), inplace=True)


class CifarResNetPreTrainedModel(PreTrainedModel):
    """Weight initialisation and loading for the family."""

    config: CifarResNetConfig
    config_class = CifarResNetConfig
    base_model_prefix = "cifar_resnet"
    main_input_name = "pixel_values"
    input_modalities = "image"
    _no_split_modules = ["BasicBlock"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # batch norms
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.uniform_(module.weight, -1 / math.sqrt(module.in_features), 1 / math.sqrt(module.in_features))
            init.zeros_(module.bias)


class CifarResNetModel(CifarResNetPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__(config)
        self.stem = Stem(config)
        self.stages = nn.ModuleList()
        in_channels = config.stage_channels[0]
        for number, channels in enumerate(config.stage_channels):
            strides = [1 if number == 0 else 2] + [1] * (config.blocks_per_stage - 1)
            blocks = []
            for stride in strides:
                blocks.append(BasicBlock(config, in_channels, channels, stride))
                in_channels = channels
            self.stages.append(nn.Sequential(*blocks))
        self.post_init()

    def feature_maps(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """The maps of the stem and of each stage for pictures `(N, num_channels, H, W)`; two stages halve H and W."""
        check_channels(pixel_values, self.config.num_channels)
        maps = [self.stem(pixel_values)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return tuple(maps)

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Compute features.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`.
            output_hidden_states: Return the maps of the stem and all stages as well; the config's value if `None`.

        Returns:
            `last_hidden_state` `(N, 64, H / 4, W / 4)` and `pooler_output` `(N, 64)` (for the default widths).
        """
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        maps = self.feature_maps(pixel_values)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=maps[-1],
            pooler_output=maps[-1].mean(dim=(2, 3)),  # (N, C)
            hidden_states=maps if output_hidden_states else None,
        )


class CifarResNetBackbone(BackboneMixin, CifarResNetPreTrainedModel):
    """Feature maps by name: `stem`, `stage1`, `stage2`, `stage3`."""

    has_attentions = False
    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__(config)
        self.num_features = [config.stage_channels[0], *config.stage_channels]
        self.cifar_resnet = CifarResNetModel(config)
        self.post_init()

    @can_return_tuple
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> BackboneOutput:
        """Return the maps that `config.out_features` names, for pictures `(N, num_channels, H, W)`."""
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        maps = self.cifar_resnet.feature_maps(pixel_values)
        return BackboneOutput(
            feature_maps=tuple(maps[index] for index in self.out_indices),
            hidden_states=maps if output_hidden_states else None,
        )


class CifarResNetForImageClassification(CifarResNetPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__(config)
        self.cifar_resnet = CifarResNetModel(config)
        self.classifier = classifier_head(config, config.stage_channels[-1])
        self.post_init()

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify pictures.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)`.
            labels: Class indices `(N,)`; -100 leaves a row out. With them the output holds the mean cross entropy.
            output_hidden_states: Return the maps of the stem and all stages as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        features = self.cifar_resnet(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(features.pooler_output)
        loss = None if labels is None else F.cross_entropy(logits.float(), labels)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)
