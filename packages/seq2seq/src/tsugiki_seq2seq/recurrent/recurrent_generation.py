"""What the recurrent models share that write texts with ``generate()``.

The embeddings and the output matrix need no accessors here: transformers finds ``encoder``, ``lm_head`` and what
``_input_embed_layer`` names by itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationMixin
from transformers.modeling_outputs import Seq2SeqLMOutput
from tsugiki.tensor_table import IGNORED

from .recurrent_state import RecurrentState


def read_before(tokens: Tensor, config: Any) -> Tensor:
    """What a decoder reads while it writes tokens (B, T): the start token, then all but the last, padding for -100.

    Args:
        tokens: To write.
        config: Names the ``decoder_start_token_id`` and the ``pad_token_id``.
    """
    start = torch.full_like(tokens[:, :1], config.decoder_start_token_id or 0)
    read = tokens[:, :-1]
    return torch.cat([start, read.masked_fill(read == IGNORED, config.pad_token_id or 0)], dim=1)


class RecurrentGenerationMixin(GenerationMixin):
    """``generate()`` with a `RecurrentState` for its cache. Inherit from it before `PreTrainedModel`."""

    _is_stateful = True

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """``generate()`` makes no cache of its own; the first step makes the state."""
        return False


class DecoderGenerationMixin(RecurrentGenerationMixin):
    """The same for a decoder whose labels are what it writes, one token a place. Inherit before `PreTrainedModel`."""

    config: Any
    training: bool

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """As `read_before` says."""
        return read_before(labels, self.config)

    def decoder_tokens(self, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
        """What the decoder reads (B, T), made of the labels where it is not given.

        Raises:
            ValueError: Neither is given.
        """
        if decoder_input_ids is not None:
            return decoder_input_ids
        if labels is None:
            raise ValueError("give decoder_input_ids or labels")
        return self.prepare_decoder_input_ids_from_labels(labels)

    def token_loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Mean cross entropy in nats of logits (B, T, V) and labels (B, T); in training with the config's smoothing.

        What the attention looked at, `weights` (B, T, S), may be judged too.
        """
        smoothing = float(self.config.label_smoothing) if self.training else 0.0
        return F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten().long(), ignore_index=IGNORED, label_smoothing=smoothing
        )

    def write(
        self,
        decoder_input_ids: Tensor,
        source: tuple[Tensor, ...],
        past_key_values: RecurrentState | None,
        labels: Tensor | None,
        *,
        use_cache: bool | None,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
        encoder_outputs: Any,
    ) -> Seq2SeqLMOutput:
        """Go on from a state, or from the source, with some given tokens.

        Args:
            decoder_input_ids: Tokens (B, T).
            source: What the decoder's `begin` and `forward` take of the source, its outputs or features first.
            past_key_values: The state to go on from.
            labels: Tokens to write (B, T), if the loss is wanted.
            use_cache: Give the state after the last token back.
            output_attentions: Give the attention's weights back.
            output_hidden_states: Give the decoder's hidden states back, and the encoder's where it gave them.
            encoder_outputs: What the encoder gave, (B, S, D) first.
        """
        model: Any = self
        state = past_key_values if past_key_values is not None else RecurrentState()
        keys = state.keys
        if keys is None and model.decoder.attention is not None:
            keys = model.decoder.attention.keys(source[0])
        begin = model.decoder.begin(*source) if state.tensors is None else state.tensors
        states: list[Tensor] | None = [] if output_hidden_states else None
        hidden, weights, end = model.decoder(decoder_input_ids, *source, keys, begin, states)
        logits = model.lm_head(hidden)
        if use_cache:
            state.keys = keys
            state.advance(end, decoder_input_ids.shape[1])
        return Seq2SeqLMOutput(
            loss=None if labels is None else self.token_loss(logits, labels, weights),
            logits=logits,
            past_key_values=state if use_cache else None,  # type: ignore[arg-type]
            cross_attentions=(weights[:, None],) if output_attentions and weights is not None else None,
            encoder_last_hidden_state=encoder_outputs[0],
            # As in transformers, the last is what goes to the softmax, in place of the last layer's outputs.
            decoder_hidden_states=None if states is None else (*states[:-1], hidden),
            encoder_hidden_states=getattr(encoder_outputs, "hidden_states", None) if output_hidden_states else None,
        )
