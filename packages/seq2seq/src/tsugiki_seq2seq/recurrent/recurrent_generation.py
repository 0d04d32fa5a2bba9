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
from tsugiki.tensor_table import IGNORED


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

    def token_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy in nats of logits (B, T, V) and labels (B, T); in training with the config's smoothing."""
        smoothing = float(self.config.label_smoothing) if self.training else 0.0
        return F.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten().long(), ignore_index=IGNORED, label_smoothing=smoothing
        )
