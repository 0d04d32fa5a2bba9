"""A convolution classifier of waveforms and other series.

The design is the one of Dai et al. 2016, Very deep convolutional neural networks for raw waveforms (arXiv:1610.00087,
table 1): a first convolution of long kernels, which learns a filter bank, then short kernels; max pooling after each;
the mean over time; a linear classifier. The defaults are the paper's M5. Cost is that of a picture's convolution with
one dimension less: T * kernel * channels_in * channels_out per layer.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndNoAttention, SequenceClassifierOutput
from tsugiki.classification_loss import classification_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options

from ..classifiers.layers import LayerChoices, LayerChoicesModel, activation, normalization

LISTS = ("channels", "kernel_sizes", "strides", "poolings")


@strict
class Conv1dConfig(ClassifierHeadConfig, LayerChoices, PreTrainedConfig):
    """Sizes and choices, a list entry a stage; the defaults are M5 (558,090 parameters with ten labels)."""

    model_type = "tsugiki_conv1d"

    channels: list[int] | tuple[int, ...] = (128, 128, 256, 512)
    kernel_sizes: list[int] | tuple[int, ...] = (80, 3, 3, 3)  # 80 samples are 10 ms at 8 kHz
    strides: list[int] | tuple[int, ...] = (4, 1, 1, 1)
    poolings: list[int] | tuple[int, ...] = (4, 4, 4, 4)  # steps per maximum; 1 for none
    dropout: float | int = 0.0  # share of the pooled features silenced in training; 0 in the paper

    @property
    def minimum_length(self) -> int:
        """Samples of the shortest recording that leaves a step after the last pooling."""
        length = 1
        for kernel, stride, pooling in reversed(list(zip(self.kernel_sizes, self.strides, self.poolings, strict=True))):
            length = (length * pooling - 1) * stride + kernel - 2 * (kernel // 2)
        return max(1, length)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        lengths = {name: len(getattr(self, name)) for name in LISTS}
        if len(set(lengths.values())) != 1 or not self.channels:
            raise ValueError(f"{', '.join(LISTS)} must have one entry a stage each, not {list(lengths.values())}.")
        for name in LISTS:
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} must be positive numbers, not {getattr(self, name)}.")


class SeriesStage(nn.Module):
    """Convolution, normalisation, activation and max pooling along time."""

    def __init__(self, config: Conv1dConfig, in_channels: int, number: int) -> None:
        super().__init__()
        channels, kernel = config.channels[number], config.kernel_sizes[number]
        self.convolution = nn.Conv1d(
            in_channels,
            channels,
            kernel,
            stride=config.strides[number],
            padding=kernel // 2,
            bias=config.normalization == "none",  # a normalisation brings its own
        )
        self.norm = normalization(config.normalization, channels, dimensions=1)
        self.activation = activation(config.activation)
        self.pooling = config.poolings[number]

    def forward(self, series: Tensor) -> Tensor:
        """From `(N, T, in_channels)` to `(N, T', channels)`: time before channels, as in transformers."""
        hidden = self.activation(self.norm(self.convolution(series.transpose(1, 2))))  # (N, channels, T / stride)
        return F.max_pool1d(hidden, self.pooling).transpose(1, 2)


class Conv1dPreTrainedModel(LayerChoicesModel):
    """Weight initialisation and loading for the family."""

    config: Conv1dConfig
    base_model_prefix = "conv1d"
    main_input_name = "input_values"
    input_modalities = "audio"
    weight_init_draws_linear = True


class Conv1dModel(Conv1dPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: Conv1dConfig) -> None:
        super().__init__(config)
        self.stages = nn.ModuleList()
        in_channels = 1
        for number, channels in enumerate(config.channels):
            self.stages.append(SeriesStage(config, in_channels, number))
            in_channels = channels
        self.post_init()

    @forward_options
    def forward(
        self, input_values: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """Compute features.

        Args:
            input_values: Waveforms `(N, T)` of one channel, prepared by the family's feature extractor. Any length
                of at least `config.minimum_length` runs; zeros around a recording are part of it.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `last_hidden_state` `(N, T', C)`; `pooler_output`: their mean over time `(N, C)`.

        Raises:
            ValueError: The waveforms have another shape or are too short.
        """
        check_waveforms(input_values, self.config.minimum_length)
        hidden = input_values[:, :, None]  # (N, T, 1)
        hidden_states = []
        for stage in self.stages:
            hidden = stage(hidden)
            hidden_states.append(hidden)
        return BaseModelOutputWithPoolingAndNoAttention(
            last_hidden_state=hidden,
            pooler_output=hidden.mean(dim=1),
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
        )


class Conv1dForAudioClassification(Conv1dPreTrainedModel):
    """The network with a classifier on the mean over time."""

    def __init__(self, config: Conv1dConfig) -> None:
        super().__init__(config)
        self.conv1d = Conv1dModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = classifier_head(config, config.channels[-1])
        self.post_init()

    @forward_options
    def forward(
        self, input_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> SequenceClassifierOutput:
        """Classify waveforms.

        Args:
            input_values: Waveforms `(N, T)`, as `Conv1dModel` takes them.
            labels: Class indices `(N,)`, of which -100 leaves a row out, or what else `config.problem_type` asks for:
                see `classification_loss`. With them the output holds the loss.
            output_hidden_states: Return the output of every stage as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels)`, and `loss` and `hidden_states` where asked for.
        """
        features = self.conv1d(input_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(features.pooler_output))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=features.hidden_states)


def check_waveforms(input_values: Tensor, minimum_length: int) -> None:
    """Refuse anything but waveforms `(N, T)` of at least `minimum_length` samples with a ValueError."""
    if torch.jit.is_tracing():  # sizes are tensors there, and a comparison would be baked into the graph
        return
    if input_values.ndim != 2 or input_values.shape[1] < minimum_length:
        raise ValueError(
            f"input_values must be (N, T) with at least {minimum_length} samples, not {tuple(input_values.shape)}: "
            "prepare recordings with the feature extractor that belongs to this model."
        )
