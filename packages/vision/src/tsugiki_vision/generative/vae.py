"""The variational autoencoder (Kingma and Welling 2013, Auto-encoding variational Bayes).

A picture is thought to come from a few standard normal numbers through a decoder that gives each pixel its probability
of being white. The encoder gives, for a picture, a normal distribution of the numbers it may have come from. Both are
trained together on a lower bound of the log-likelihood (ELBO): how well the picture comes back, less the divergence of
the encoder's distribution from the standard normal one.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.list_fields import ListFields
from tsugiki.pixel_values import check_size

from ..classifiers.layers import Activation, PictureModel, WeightInit, activation, initialize
from .pixel_levels import LATENT_STREAM, Rounding, picture_normal, rounding_draws, to_levels

EXAMPLES = 4  # pictures of `dummy_inputs`
WIDEST = 10.0  # log variance of a latent number beyond which exp would grow without use


@strict
class VAEConfig(ListFields, PreTrainedConfig):
    """Sizes and choices of a variational autoencoder; by default of the size of the paper's for MNIST (section 5)."""

    model_type = "tsugiki_vae"

    image_size: int = 28  # pixels a side
    num_channels: int = 1
    hidden_sizes: list[int] | tuple[int, ...] = (500,)  # of the encoder; the decoder has them in reverse
    latent_size: int = 20  # numbers that a picture comes from
    activation: Activation = "tanh"  # of the hidden layers
    weight_init: WeightInit = "xavier"  # xavier suits tanh and sigmoid, he suits relu and its kin
    rounding: Rounding = "sampled"  # how gray pixels become black and white: see pixel_levels.py

    @property
    def num_pixels(self) -> int:
        """Numbers in one picture."""
        return self.num_channels * self.image_size**2

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes must be positive numbers, not {list(self.hidden_sizes)}.")
        for name in ("image_size", "num_channels", "latent_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


@dataclass
class VAEOutput(ModelOutput):
    """The bound of a batch and what it is made of, in nats.

    Attributes:
        loss: Mean of `negative_log_likelihood`.
        negative_log_likelihood: Upper bound of it, the negative ELBO: `reconstruction_loss` + `kl_divergence` (N,).
        reconstruction_loss: Cross entropy of the pixels, summed, from one draw of the latent numbers (N,).
        kl_divergence: Of the encoder's distribution from the standard normal one, in closed form (N,).
        logits: Of each pixel being white (N, C, H, W).
        latent_mean: Of the encoder's distribution (N, latent_size).
        latent_log_variance: Of it (N, latent_size).
        hidden_states: Of the encoder's hidden layers, the latent numbers as drawn, of the decoder's layers (N, D).
    """

    loss: Tensor | None = None
    negative_log_likelihood: Tensor | None = None
    reconstruction_loss: Tensor | None = None
    kl_divergence: Tensor | None = None
    logits: Tensor | None = None
    latent_mean: Tensor | None = None
    latent_log_variance: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


def kl_from_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of independent normal distributions (N, K) from the standard one, in nats (N,); appendix B."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)


class VAEForImageGeneration(PictureModel):
    """Encoder and decoder."""

    config: VAEConfig
    base_model_prefix = "vae"

    def __init__(self, config: VAEConfig) -> None:
        super().__init__(config)
        sizes = [config.num_pixels, *config.hidden_sizes]
        self.encoder = nn.Sequential(
            *_hidden_layers(sizes, config.activation), nn.Linear(sizes[-1], 2 * config.latent_size)
        )
        self.decoder = nn.Sequential(
            *_hidden_layers([config.latent_size, *sizes[:0:-1]], config.activation),
            nn.Linear(sizes[1] if config.hidden_sizes else config.latent_size, config.num_pixels),
        )
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize(module, self.config.weight_init, self.config.activation)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """A few pictures of noise, each pixel on a level, so that rounding changes nothing."""
        shape = (EXAMPLES, self.config.num_channels, self.config.image_size, self.config.image_size)
        pictures = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(0)).float()
        return {"pixel_values": pictures, "labels": pictures}

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (N, latent_size) of the latent numbers of pictures of 0 and 1 (N, C, H, W)."""
        parameters = self.encoder(pixels.to(self.dtype).flatten(1)).float()  # (N, 2 * latent_size)
        mean, log_variance = parameters.chunk(2, dim=1)
        return mean, log_variance.clamp(max=WIDEST)

    def decode(self, latents: Tensor) -> Tensor:
        """Logits of each pixel being white (N, C, H, W) for latent numbers (N, latent_size)."""
        size = self.config.image_size
        return self.decoder(latents.to(self.dtype)).float().unflatten(1, (self.config.num_channels, size, size))

    def _states(self, pixels: Tensor, latents: Tensor) -> tuple[Tensor, ...]:
        encoded = _every_layer(self.encoder, pixels.to(self.dtype).flatten(1))
        return (*encoded, latents, *_every_layer(self.decoder, latents.to(self.dtype)))

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw pictures.

        Args:
            count: How many.
            generator: What the latent numbers are drawn from, on the CPU.

        Returns:
            The pixels' probabilities of being white (count, C, H, W), as the paper's figures show them.
        """
        latents = torch.randn(count, self.config.latent_size, generator=generator)
        return self.decode(latents.to(self.device)).sigmoid()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> VAEOutput:
        """Measure the bound.

        The latent numbers are drawn from torch's generator in training, and are a function of the picture in eval mode.

        Args:
            pixel_values: Pictures from 0 to 1 (N, C, H, W), made black and white as `config.rounding` says.
            labels: What the decoder should give: the same pictures, from 0 to 1 or from 0 to 255. By default the same.
            output_hidden_states: Return what every layer gives as well; the config's value if `None`.

        Returns:
            The bound and its parts, with labels also the `loss`.
        """
        check_size(pixel_values, self.config.num_channels, self.config.image_size)
        draws = rounding_draws(pixel_values, self.config.rounding, self.training)
        given = to_levels(pixel_values, 2, draws)  # (N, C, H, W)
        target = given if labels is None else to_levels(labels, 2, draws)
        mean, log_variance = self.encode(given)
        if self.training:
            noise = torch.randn_like(mean)
        else:
            noise = picture_normal(pixel_values, self.config.latent_size, LATENT_STREAM)
        latents = mean + noise * (0.5 * log_variance).exp()
        logits = self.decode(latents)
        losses = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
        reconstruction = losses.flatten(1).sum(1)  # (N,)
        divergence = kl_from_standard_normal(mean, log_variance)
        bound = reconstruction + divergence
        return VAEOutput(
            loss=None if labels is None else bound.mean(),
            negative_log_likelihood=bound,
            reconstruction_loss=reconstruction,
            kl_divergence=divergence,
            logits=logits,
            latent_mean=mean,
            latent_log_variance=log_variance,
            hidden_states=self._states(given, latents) if output_hidden_states else None,
        )


def _hidden_layers(sizes: list[int], kind: Activation) -> list[nn.Module]:
    return [module for pair in pairwise(sizes) for module in (nn.Linear(*pair), activation(kind))]


def _every_layer(layers: nn.Sequential, hidden: Tensor) -> list[Tensor]:
    """What each hidden layer of (linear, activation) pairs gives, without the linear layer at their end."""
    states = []
    for number in range(0, len(layers) - 1, 2):
        hidden = layers[number + 1](layers[number](hidden))
        states.append(hidden)
    return states
