"""The deep autoencoder (Hinton and Salakhutdinov 2006, Reducing the dimensionality of data with neural networks).

An encoder of fully connected layers brings a picture down to a short code, and a decoder with the same sizes in reverse
brings it back. The code is linear, all other layers have an activation, and pixels come out of a sigmoid. Trained from
random weights such a stack was out of reach in 2006; `autoencoder_training` starts it layer by layer as the paper does.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_size

from ..classifiers.layers import Activation, PictureModel, WeightInit, activation, initialize
from ..classifiers.staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    Stage,
    StagedConfig,
)
from .pixel_levels import unit_pixels

EXAMPLES = 4  # pictures of `dummy_inputs`


@strict
class AutoencoderConfig(StagedConfig, PreTrainedConfig):
    """Sizes and choices of an autoencoder; the defaults are the paper's for MNIST, 784-1000-500-250-30."""

    model_type = "tsugiki_autoencoder"

    image_size: int = 28  # pixels a side
    num_channels: int = 1  # gray pictures
    hidden_sizes: list[int] | tuple[int, ...] = (1000, 500, 250)  # of the encoder; the decoder has them in reverse
    code_size: int = 30  # numbers that a picture is reduced to
    activation: Activation = "sigmoid"  # of all layers but the code, which is linear, and the pixels, always sigmoid
    weight_init: WeightInit = "xavier"  # he suits relu and its kin, xavier suits sigmoid and tanh
    reconstruction_loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"  # of pixels from 0 to 1

    @property
    def stage_layout(self) -> list[Stage]:
        """The layers of the encoder; none of them has places."""
        names = [f"hidden{number}" for number in range(1, len(self.hidden_sizes) + 1)]
        sizes = zip([*names, "code"], [*self.hidden_sizes, self.code_size], strict=True)
        return [Stage(name, size, WHOLE_PICTURE) for name, size in sizes]

    @property
    def layer_sizes(self) -> list[int]:
        """Units from the pixels to the code."""
        return [self.num_channels * self.image_size**2, *self.hidden_sizes, self.code_size]

    @property
    def minimum_size(self) -> int:
        """Pixels a side: the network takes one size."""
        return self.image_size

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        for name in ("image_size", "code_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


@dataclass
class ImageReconstructionOutput(ModelOutput):
    """A picture and what it was reduced to.

    Attributes:
        loss: As `config.reconstruction_loss` says, summed over the pixels of a picture, mean over the pictures.
        reconstruction: Pixels from 0 to 1 (N, C, H, W).
        codes: (N, code_size).
        hidden_states: Of the encoder's layers, the code the last of them (N, D).
        decoder_hidden_states: Of the decoder's hidden layers (N, D).
    """

    loss: Tensor | None = None
    reconstruction: Tensor | None = None
    codes: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    decoder_hidden_states: tuple[Tensor, ...] | None = None


class AutoencoderPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: AutoencoderConfig
    base_model_prefix = "autoencoder"
    _keys_to_ignore_on_load_unexpected = [r"^classifier\.", r"^decoder\."]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize(module, self.config.weight_init, self.config.activation)


class AutoencoderModel(AutoencoderPreTrainedModel, FeatureNetwork):
    """The encoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        layers = [
            nn.Sequential(nn.Linear(size, following), activation(config.activation))
            for size, following in pairwise(config.layer_sizes[:-1])
        ]
        layers.append(nn.Sequential(nn.Linear(config.layer_sizes[-2], config.code_size)))  # the code is linear
        self.stages = nn.ModuleList(layers)
        self.post_init()

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The outputs of the first `stages` layers, each (N, D), for pictures (N, C, H, W) from 0 to 1."""
        check_size(pixel_values, self.config.num_channels, self.config.image_size)
        features = []
        hidden = pixel_values.flatten(1)  # (N, C * H * W)
        for stage in self.stages[:stages]:
            hidden = stage(hidden)
            features.append(hidden)
        return tuple(features)


class AutoencoderBackbone(AutoencoderPreTrainedModel, FeatureBackbone):
    """Features by name, `hidden1` to `code`, each as maps of 1x1."""

    network_class = AutoencoderModel


class AutoencoderForImageClassification(FeatureClassifier, AutoencoderPreTrainedModel):
    """The encoder with a classifier on the code."""

    network_class = AutoencoderModel


class AutoencoderForImageReconstruction(AutoencoderPreTrainedModel):
    """The encoder with its decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        self.autoencoder = AutoencoderModel(config)
        sizes = config.layer_sizes[::-1]
        layers = [
            nn.Sequential(nn.Linear(size, following), activation(config.activation))
            for size, following in pairwise(sizes[:-1])
        ]
        layers.append(nn.Sequential(nn.Linear(sizes[-2], sizes[-1])))  # its sigmoid is in the loss and in `reconstruct`
        self.decoder = nn.ModuleList(layers)
        self.post_init()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """A few pictures of noise, and the same as what is to come out."""
        shape = (EXAMPLES, self.config.num_channels, self.config.image_size, self.config.image_size)
        pictures = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        return {"pixel_values": pictures, "labels": pictures}

    def layer_pair(self, number: int) -> tuple[nn.Linear, nn.Linear]:
        """The linear layers of encoder and decoder between the units of layer `number`, from 0, and the next."""
        encoder, decoder = self.autoencoder.stages[number], self.decoder[len(self.decoder) - 1 - number]
        return encoder[0], decoder[0]  # type: ignore[index]

    def decoder_states(self, codes: Tensor) -> list[Tensor]:
        """What each layer of the decoder makes of codes (N, code_size), (N, D)."""
        states = [codes]
        for layer in self.decoder:
            states.append(layer(states[-1]))
        return states[1:]

    def pixel_logits(self, codes: Tensor) -> Tensor:
        """What the sigmoid of the pixels is taken of, for codes (N, code_size): (N, C * H * W)."""
        return self.decoder_states(codes)[-1]

    def reconstruct(self, codes: Tensor) -> Tensor:
        """Pictures (N, C, H, W) from 0 to 1 of codes (N, code_size)."""
        return self._as_pictures(self.pixel_logits(codes))

    def _as_pictures(self, logits: Tensor) -> Tensor:
        size = self.config.image_size
        return logits.float().sigmoid().unflatten(1, (self.config.num_channels, size, size))

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageReconstructionOutput:
        """Reduce pictures to codes and bring them back.

        Args:
            pixel_values: Pictures from 0 to 1 (N, C, H, W).
            labels: What should come out, as floats from 0 to 1 or whole numbers from 0 to 255 (N, C, H, W): the same
                pictures, or clean ones where `pixel_values` are damaged.
            output_hidden_states: Return the output of every layer as well; the config's value if `None`.

        Returns:
            `reconstruction` and `codes`, and with labels the `loss`.
        """
        encoded = self.autoencoder(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        codes = encoded.pooler_output
        *hidden, logits = self.decoder_states(codes)
        reconstruction = self._as_pictures(logits)
        loss = None
        if labels is not None:
            target = unit_pixels(labels)
            if self.config.reconstruction_loss == "squared_error":
                losses = (reconstruction - target).square()
            else:
                losses = F.binary_cross_entropy_with_logits(logits.float(), target.flatten(1), reduction="none")
            loss = losses.flatten(1).sum(1).mean()
        return ImageReconstructionOutput(
            loss=loss,
            reconstruction=reconstruction,
            codes=codes,
            hidden_states=encoded.hidden_states,
            decoder_hidden_states=tuple(hidden) if output_hidden_states else None,
        )
