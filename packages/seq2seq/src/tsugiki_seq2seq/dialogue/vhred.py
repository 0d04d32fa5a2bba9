"""The latent variable hierarchical recurrent encoder-decoder (VHRED): a normal variable z for each utterance.

Serban et al. 2017 (A hierarchical latent variable encoder-decoder model for generating dialogues). What an utterance
says is drawn first, z ~ P(z | utterances before) = N(mean, variance) from the dialogue's state, and the words then from
state and z. Training raises a lower bound of the log-likelihood (ELBO): with z drawn from a posterior Q that sees the
utterance too, log P(utterance | z, before) less KL(Q || P), which is closed for normal distributions.

A decoder that guesses well from its own last words lets z alone, and the KL falls to 0. Against that: the KL's weight
grows from 0 to 1 (`kl_annealing_steps`), words that the decoder reads are dropped (`word_dropout`; both after Bowman et
al. 2016), and some nats of each latent number may cost nothing in training (`free_bits`; Kingma et al. 2016, Improved
variational inference with inverse autoregressive flow).
"""

from dataclasses import dataclass

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from tsugiki.augmentation import counter_uniform
from tsugiki.forward_options import forward_options

from ..recurrent.recurrent_state import RecurrentState
from .dialogue_layers import DialogueConfig
from .dialogue_model import IGNORED, DialogueModel, DialogueOutput

WIDEST = 8.0  # log variance of a latent number, either way: beyond it exp would grow without use


@strict
class VHREDConfig(DialogueConfig):
    """Sizes of a latent variable hierarchical recurrent encoder-decoder; those that `DialogueConfig` names, and more.

    Attributes:
        latent_size: Z, numbers of the latent variable of an utterance.
        latent_hidden_size: Units of the hidden layer of prior and posterior.
        kl_annealing_steps: Forward passes of training until the KL counts in full; its weight grows evenly from 0. With
            gradient accumulation a step of the optimizer is several of them.
        free_bits: Nats of each latent number, as a mean over a batch's utterances, that cost nothing in training.
    """

    model_type = "tsugiki_vhred"

    latent_size: int = 32
    latent_hidden_size: int = 128
    kl_annealing_steps: int = 0
    free_bits: float | int = 0.0

    def validate_latent(self) -> None:
        """Refuse sizes that make no latent variable."""
        if min(self.latent_size, self.latent_hidden_size) < 1:
            raise ValueError(
                "latent_size and latent_hidden_size must be at least 1, not "
                f"{self.latent_size} and {self.latent_hidden_size}."
            )
        if self.kl_annealing_steps < 0 or self.free_bits < 0:
            raise ValueError(
                "kl_annealing_steps and free_bits must be at least 0, not "
                f"{self.kl_annealing_steps} and {self.free_bits}."
            )


@dataclass(frozen=True)
class Normal:
    """Independent normal distributions.

    Attributes:
        mean: (N, Z).
        log_variance: (N, Z).
    """

    mean: Tensor
    log_variance: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """What standard normal numbers (N, Z) become."""
        return self.mean + noise * (0.5 * self.log_variance).exp()

    def divergence(self, other: "Normal") -> Tensor:
        """KL(self || other) of each number, in nats (N, Z)."""
        distance = (self.log_variance.exp() + (self.mean - other.mean).square()) * (-other.log_variance).exp()
        return 0.5 * (other.log_variance - self.log_variance + distance - 1)


class LatentNetwork(nn.Module):
    """What is known of an utterance to the distribution of its latent numbers.

    Args:
        input_size: Numbers that are known.
        hidden_size: Units of the layer between, of tanh.
        latent_size: Z.
    """

    def __init__(self, input_size: int, hidden_size: int, latent_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(input_size, hidden_size)
        self.parameters_of_normal = nn.Linear(hidden_size, 2 * latent_size)

    def forward(self, known: Tensor) -> Normal:
        """(N, input_size) to (N, Z), float32."""
        parameters = self.parameters_of_normal(torch.tanh(self.hidden(known))).float()
        mean, log_variance = parameters.chunk(2, dim=1)
        return Normal(mean, log_variance.clamp(-WIDEST, WIDEST))


class VHREDForConditionalGeneration(DialogueModel):
    """A bound of P(utterance | all utterances before it).

    Attributes:
        training_passes: Forward passes of training so far, saved with the weights, so that a training that goes on
            later goes on with the KL's weight too.
    """

    config: VHREDConfig
    training_passes: Tensor

    def __init__(self, config: VHREDConfig) -> None:
        super().__init__(config, config.state_size + config.latent_size)
        hidden, latent = config.latent_hidden_size, config.latent_size
        self.prior = LatentNetwork(config.state_size, hidden, latent)
        self.posterior = LatentNetwork(config.state_size + config.hidden_size, hidden, latent)
        self.register_buffer("training_passes", torch.zeros((), dtype=torch.int64))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VHREDForConditionalGeneration):
            init.zeros_(module.training_passes)

    @property
    def kl_weight(self) -> Tensor:
        """What a nat of the KL costs in the next pass, from 0 to 1."""
        steps = self.config.kl_annealing_steps
        if steps == 0:
            return torch.ones((), device=self.training_passes.device)
        return (self.training_passes / steps).clamp(max=1)

    @forward_options
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor] | None = None,
        past_key_values: RecurrentState | None = None,
        labels: Tensor | None = None,
        latent_noise: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> DialogueOutput:
        """Measure the bound on the utterances of dialogues; with `decoder_input_ids` write the one that follows.

        The latent numbers of utterances that are measured come from one draw of the posterior: from torch's generator
        in training, else from numbers that are a function of the dialogue up to and with the utterance. Those of an
        utterance that is written are the prior's mean.

        Args, besides those of `HREDForConditionalGeneration.forward`:
            latent_noise: Standard normal numbers (B, Z) that draw the latent numbers of an utterance that is written
                from the prior, for ``generate(latent_noise=torch.randn(B, Z))``.

        Returns:
            ``reconstruction`` and ``kl`` (B, U), ``posterior_mean`` and ``prior_mean`` (B, U, Z). With `labels` the
            ``loss``: outside of training the negative ELBO in nats a token; in training with the KL's weight, and with
            free nats. With `decoder_input_ids` ``logits`` (B, T, vocab_size) and, where asked for, ``past_key_values``.

        Raises:
            ValueError: There is no dialogue, or `labels` come with `decoder_input_ids`.
        """
        if decoder_input_ids is not None:
            encoder_outputs = self.dialogues_to_answer(
                input_ids, attention_mask, encoder_outputs, labels, output_hidden_states
            )
            states = encoder_outputs[0][:, 0]  # (B, C)
            prior = self.prior(states)
            latent = prior.mean if latent_noise is None else prior.at(latent_noise)
            condition = torch.cat([states, latent.to(states.dtype)], dim=1)
            return self.write(
                decoder_input_ids,
                condition,
                past_key_values,
                use_cache=use_cache,
                output_hidden_states=output_hidden_states,
                encoder_outputs=encoder_outputs,
            )
        utterances = self.read(input_ids, attention_mask, labels)
        prior = self.prior(utterances.before)
        posterior = self.posterior(torch.cat([utterances.before, utterances.summaries], dim=1))
        latent = posterior.at(self._noise(utterances.keys))
        condition = torch.cat([utterances.before, latent.to(utterances.before.dtype)], dim=1)  # (B U, C + Z)
        nats = self.nats(utterances, condition)
        asked = utterances.asked
        divergence = posterior.divergence(prior) * asked[:, None]  # (B U, Z)
        loss = None
        if labels is not None:
            tokens = (utterances.targets != IGNORED).sum().clamp(min=1)
            loss = (nats.sum() + self._cost(divergence, asked.sum())) / tokens
        if self.training:
            self.training_passes += 1
        return DialogueOutput(
            loss=loss,
            reconstruction=utterances.by_dialogue(nats),
            kl=utterances.by_dialogue(divergence.sum(1)),
            posterior_mean=utterances.by_dialogue(posterior.mean * asked[:, None]),
            prior_mean=utterances.by_dialogue(prior.mean * asked[:, None]),
            encoder_hidden_states=utterances.hidden_states if output_hidden_states else None,
        )

    def _cost(self, divergence: Tensor, asked: Tensor) -> Tensor:
        """What a batch's divergences (N, Z) of `asked` utterances cost, in nats."""
        if not self.training:
            return divergence.sum()
        free = self.config.free_bits * asked
        return self.kl_weight * divergence.sum(0).clamp(min=free).sum()

    def _noise(self, keys: Tensor) -> Tensor:
        """Standard normal numbers (N, Z): random in training, else a function of the utterances' keys (N,)."""
        size = self.config.latent_size
        if self.training:
            return torch.randn(len(keys), size, device=keys.device)
        uniform = counter_uniform(keys, size, seed=0, epoch=0).double() + 2.0**-25  # the middle of each of 2^24 steps
        return torch.special.ndtri(uniform).float()
