"""U-Net (Ronneberger, Fischer and Brox 2015): down by pooling and up again, the maps of the way down beside each step.

The paper's convolutions are not padded, so that its answer is smaller than the picture; here they are padded, and a
picture whose sides are no multiples of 2^depth is continued at its lower and right border and the answer cut back.
The default is a sixteenth of the paper's width at the bottom and has 0.9 million parameters, where the paper's
has 31 million: `UNetConfig(width=64, max_width=1024)`.
"""

import math

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithNoAttention, SemanticSegmenterOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

from .padding import cut_to, pad_to_multiple
from .segmentation_loss import SegmentationLossConfig, SegmentationModel, check_problem, segmentation_loss


@strict
class UNetConfig(SegmentationLossConfig, PreTrainedConfig):
    """Sizes of a U-Net."""

    model_type = "tsugiki_unet"

    num_channels: int = 3  # colours of the picture
    depth: int = 4  # times that the picture is halved
    width: int = 16  # channels at the picture's size, doubled with each halving; 64 in the paper
    max_width: int = 96  # channels are doubled up to here; 1024 in the paper, where this bounds nothing
    batch_norm: bool = True  # Ioffe and Szegedy 2015; the paper has none
    dropout: float | int = 0.0  # share of the lowest maps silenced in training; the paper's is at the same place

    @property
    def widths(self) -> list[int]:
        """Channels at each size, from the picture's to the smallest: depth + 1 numbers."""
        return [min(self.width * 2**level, self.max_width) for level in range(self.depth + 1)]

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if min(self.num_channels, self.width, self.max_width) < 1:
            raise ValueError("num_channels, width and max_width must be at least 1.")
        if not 1 <= self.depth <= 10:
            raise ValueError(f"depth must be from 1 to 10, not {self.depth}: each step halves the picture.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}.")


class DoubleConvolution(nn.Sequential):
    """Two convolutions of 3 by 3, each followed by batch normalisation, where it is wanted, and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers.append(nn.Conv2d(channels, out_channels, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class UpStep(nn.Module):
    """From maps `(N, C, H, W)`, and those of the way down `(N, D, 2 H, 2 W)`, to maps `(N, D, 2 H, 2 W)`."""

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.convolutions = DoubleConvolution(2 * out_channels, out_channels, batch_norm)

    def forward(self, hidden: Tensor, beside: Tensor) -> Tensor:
        """One step up."""
        return self.convolutions(torch.cat([beside, self.enlarge(hidden)], dim=1))


class UNetPreTrainedModel(SegmentationModel):
    """Weight initialisation and loading for the family."""

    config: UNetConfig
    base_model_prefix = "unet"
    _no_split_modules = ["DoubleConvolution", "UpStep"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As the paper has it: normal with the deviation sqrt(2 / inputs of a unit), section 3."""
        super()._init_weights(module)  # normalisations
        if isinstance(module, nn.Conv2d):
            init.normal_(module.weight, std=math.sqrt(2 / module.weight[0].numel()))
        elif isinstance(module, nn.ConvTranspose2d):  # each output pixel has one input pixel, of every channel
            init.normal_(module.weight, std=math.sqrt(1 / module.in_channels))
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
            init.zeros_(module.bias)


class UNetModel(UNetPreTrainedModel):
    """The network below its classifier: maps of the picture's own size."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        widths = config.widths
        pairs = zip([config.num_channels, *widths], widths[:-1], strict=False)
        self.encoder = nn.ModuleList(DoubleConvolution(*pair, config.batch_norm) for pair in pairs)
        self.bottleneck = DoubleConvolution(widths[-2], widths[-1], config.batch_norm)
        pairs = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.decoder = nn.ModuleList(UpStep(*pair, config.batch_norm) for pair in pairs)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> BaseModelOutputWithNoAttention:
        """Compute features of each pixel.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)` of any size.
            output_hidden_states: Return the maps of every step as well; the config's value if `None`.

        Returns:
            `last_hidden_state` `(N, width, H, W)`; `hidden_states`: the maps on the way down and up again, those of
            each step but the last at the size of the padded picture.
        """
        check_picture(pixel_values, self.config.num_channels)
        hidden = pad_to_multiple(pixel_values, 2**self.config.depth)
        states = []
        for block in self.encoder:
            hidden = block(hidden)
            states.append(hidden)
            hidden = self.pool(hidden)
        hidden = self.dropout(self.bottleneck(hidden))
        beside = list(states)
        states.append(hidden)
        for step in self.decoder:
            hidden = step(hidden, beside.pop())
            states.append(hidden)
        states[-1] = cut_to(hidden, pixel_values)
        return BaseModelOutputWithNoAttention(
            last_hidden_state=states[-1],
            hidden_states=tuple(states) if output_hidden_states else None,
        )


class UNetForSemanticSegmentation(UNetPreTrainedModel):
    """A U-Net that names the class of each pixel."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.unet = UNetModel(config)
        self.classifier = nn.Conv2d(config.width, config.num_labels or 1, 1)
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> SemanticSegmenterOutput:
        """Name the class of each pixel.

        Args:
            pixel_values: Normalised pictures `(N, num_channels, H, W)` of any size.
            labels: Class numbers `(N, H, W)`, 255 or -100 where a pixel has none. With them the output holds the loss,
                see `segmentation_loss`.
            output_hidden_states: Return the maps of every step as well; the config's value if `None`.

        Returns:
            `logits` `(N, num_labels, H, W)`, and `loss` and `hidden_states` where asked for.

        Raises:
            ValueError: The labels have another shape.
        """
        features = self.unet(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(features.last_hidden_state)
        loss = None
        if labels is not None:
            check_problem(self.config)
            loss = segmentation_loss(logits, labels, self.config.dice_weight)
        return SemanticSegmenterOutput(loss=loss, logits=logits, hidden_states=features.hidden_states)
