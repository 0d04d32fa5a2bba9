"""A convolution classifier of short clips and volumes.

Convolution, normalisation, activation and pooling over time, height and width together, as in C3D (Tran et al. 2015,
Learning spatiotemporal features with 3D convolutional networks, arXiv:1412.0767): kernels of 3x3x3 throughout were
best (section 3.1), and the first pooling leaves time as it is, so that motion is not merged too early (section 3.3).
C3D's 112-pixel network ends in two hidden layers of 4,096 units; this one ends in the mean over all places, so that
clips of any size and length run.
"""

import math
from collections.abc import Sequence

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndNoAttention, ImageClassifierOutputWithNoAttention
from tsugiki.classification_loss import classification_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options

from ..classifiers.layers import LayerChoices, LayerChoicesModel, activation, normalization

PAIRS = ("kernel_sizes", "strides", "poolings")  # each entry is (over time, over height and width)


@strict
class Conv3dConfig(ClassifierHeadConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices, a list entry a stage; pairs are (over time, over height and width)."""

    model_type = "tsugiki_conv3d"

    num_channels: int = 1  # colours of a frame
    image_size: int = 32  # pixels a side that it is trained on; any size that leaves a place after the poolings runs
    num_frames: int = 8  # likewise
    channels: list[int] | tuple[int, ...] = (16, 32, 64)
    kernel_sizes: list[list[int]] | tuple[tuple[int, int], ...] = ((3, 3), (3, 3), (3, 3))
    strides: list[list[int]] | tuple[tuple[int, int], ...] = ((1, 1), (1, 1), (1, 1))
    poolings: list[list[int]] | tuple[tuple[int, int], ...] = ((1, 2), (2, 2), (2, 2))  # 1 for none
    dropout: float | int = 0.0  # share of the pooled features silenced in training

    @property
    def minimum_frames(self) -> int:
        """Frames of the shortest clip that leaves a step after the last pooling."""
        return self._smallest(0)

    @property
    def minimum_size(self) -> int:
        """Pixels a side of the smallest frame that leaves a place after the last pooling."""
        return self._smallest(1)

    def _smallest(self, axis: int) -> int:
        size = 1
        stages = zip(*(getattr(self, name) for name in PAIRS), strict=True)
        for kernel, stride, pooling in reversed([tuple(pair[axis] for pair in stage) for stage in stages]):
            size = max(1, (size * pooling - 1) * stride + kernel - 2 * (kernel // 2))
        return size

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        lengths = [len(getattr(self, name)) for name in ("channels", *PAIRS)]
        if len(set(lengths)) != 1 or not self.channels:
            raise ValueError(f"channels, {', '.join(PAIRS)} must have one entry a stage each, not {lengths}.")
        if min(self.num_channels, self.image_size, self.num_frames, *self.channels) < 1:
            raise ValueError("num_channels, image_size, num_frames and channels must be at least 1.")
        for name in PAIRS:
            if any(len(pair) != 2 or min(pair) < 1 for pair in getattr(self, name)):
                raise ValueError(f"{name} must be pairs of positive numbers, not {getattr(self, name)}.")
        if self.image_size < self.minimum_size or self.num_frames < self.minimum_frames:
            raise ValueError(
                f"Clips of {self.num_frames} frames of {self.image_size} pixels are too small for these poolings and "
                f"strides, which need {self.minimum_frames} frames of {self.minimum_size} pixels."
            )


def _triple(pair: Sequence[int]) -> tuple[int, int, int]:
    """(Over time, over space) as (time, height, width)."""
    return pair[0], pair[1], pair[1]


class ClipStage(nn.Module):
    """Convolution, normalisation, activation and max pooling over time, height and width."""

    def __init__(self, config: Conv3dConfig, in_channels: int, number: int) -> None:
        super().__init__()
        kernel = _triple(config.kernel_sizes[number])
        self.convolution = nn.Conv3d(
            in_channels,
            config.channels[number],
            kernel,
            stride=_triple(config.strides[number]),
            padding=(kernel[0] // 2, kernel[1] // 2, kernel[2] // 2),
            bias=config.normalization == "none",  # a normalisation brings its own
        )
        self.norm = normalization(config.normalization, config.channels[number], dimensions=3)
        self.activation = activation(config.activation)
        self.pooling = _triple(config.poolings[number])

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, T, H, W)` to `(N, channels, T', H', W')`."""
        hidden = self.activation(self.norm(self.convolution(hidden)))
        return hidden if math.prod(self.pooling) == 1 else F.max_pool3d(hidden, self.pooling)


class Conv3dPreTrainedModel(LayerChoicesModel):
    """Weight initialisation and loading for the family."""

    config: Conv3dConfig
    base_model_prefix = "conv3d"
    main_input_name = "pixel_values"
    input_modalities = "video"
    weight_init_draws_linear = True

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Four clips of the config's size, for export and checks."""
        config = self.config
        shape = (4, config.num_frames, config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": torch.randn(shape, generator=torch.Generator().manual_seed(0))}


class Conv3dModel(Conv3dPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: Conv3dConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList()
        in_channels = config.num_channels
        for number, channels in enumerate(config.channels):
            self.stages.append(ClipStage(config, in_channels, number))
            in_channels = channels
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Compute features.

        Args:
            pixel_values: Normalised clips `(N, T, num_channels, H, W)`, frames before colours as in transformers'
                video models.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `last_hidden_state` `(N, C, T', H', W')`; `pooler_output`: their mean over all places `(N, C)`.

        Raises:
            ValueError: The clips have another shape or are too small.
        """
        check_clips(pixel_values, self.config)
        hidden = pixel_values.transpose(1, 2)  # (N, num_channels, T, H, W)
        hidden_states = []
        for stage in self.stages:
            hidden = stage(hidden)
            hidden_states.append(hidden)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=hidden,
            pooler_output=hidden.mean(dim=(2, 3, 4)),
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
        )


class Conv3dForVideoClassification(Conv3dPreTrainedModel):
    """The network with a classifier on the mean over all places."""

    def __init__(self, config: Conv3dConfig) -> None:
        super().__init__(config)
        self.conv3d = Conv3dModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = classifier_head(config, config.channels[-1])
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify clips.

        Args:
            pixel_values: Clips `(N, T, num_channels, H, W)`, as `Conv3dModel` takes them.
            labels: Class indices `(N,)`, of which -100 leaves a row out, or what else `config.problem_type` asks for:
                see `classification_loss`. With them the output holds the loss.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        features = self.conv3d(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(features.pooler_output))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits, hidden_states=features.hidden_states)


def check_clips(pixel_values: Tensor, config: Conv3dConfig) -> None:
    """Refuse anything but clips `(N, T, num_channels, H, W)` that are large enough with a ValueError."""
    if torch.jit.is_tracing():  # sizes are tensors there, and a comparison would be baked into the graph
        return
    if pixel_values.ndim != 5 or pixel_values.shape[2] != config.num_channels:
        raise ValueError(
            f"pixel_values must be (N, T, {config.num_channels}, H, W), not {tuple(pixel_values.shape)}: prepare clips "
            "with the processor that belongs to this model."
        )
    if pixel_values.shape[1] < config.minimum_frames or min(pixel_values.shape[3:]) < config.minimum_size:
        raise ValueError(
            f"pixel_values {tuple(pixel_values.shape)} are too small: this network takes clips of at least "
            f"{config.minimum_frames} frames of {config.minimum_size} pixels a side."
        )
