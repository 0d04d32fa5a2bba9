"""A long short-term memory over word embeddings as a classifier of texts (Hochreiter and Schmidhuber 1997).

The network reads a text word by word, so order counts; it may read it in both directions (Schuster and Paliwal 1997)
and in several layers. Padding never enters a state: a text's words are moved to the front, the backward direction reads
them turned round, and what comes after the last word is left out of every pooling.
"""

import math
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier

from .word_inputs import WordEmbeddings, WordInputsConfig, WordModel, word_mask


@strict
class EmbeddingLSTMConfig(ClassifierHeadConfig, WordInputsConfig, PreTrainedConfig):
    """Sizes and choices."""

    model_type = "tsugiki_embedding_lstm"

    lstm_size: int = 100  # units of each direction in each layer
    num_layers: int = 1
    bidirectional: bool = False
    pooling: Literal["last", "mean", "max"] = "last"  # the state after the last word, or over all words
    dropout: float | int = 0.0  # share silenced in training: of the vectors, between layers, before the classifier

    @property
    def num_features(self) -> int:
        """Width of the pooled features."""
        return self.lstm_size * (2 if self.bidirectional else 1)

    def validate_lstm(self) -> None:
        """Refuse a network without units or layers."""
        for name in ("lstm_size", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


class LSTMDirection(nn.RNNBase):
    """One LSTM in one direction, with the parameters of `torch.nn.LSTM`.

    `torch.compile` refuses that class in a whole graph, but not the operator that it calls.
    """

    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__("LSTM", input_size, hidden_size, batch_first=True)

    def forward(self, vectors: Tensor) -> Tensor:
        """From `(B, L, input_size)` to the state after each step `(B, L, hidden_size)`."""
        start = vectors.new_zeros(1, vectors.shape[0], self.hidden_size)  # `len` would be a constant in a traced graph
        weights = [getattr(self, name) for name in self._flat_weights_names]
        has_biases, layers, dropout, bidirectional, batch_first = True, 1, 0.0, False, True
        return torch.lstm(
            vectors, (start, start), weights, has_biases, layers, dropout, self.training, bidirectional, batch_first
        )[0]


class LSTMLayer(nn.Module):
    """One layer: forwards, and by choice backwards beside it."""

    def __init__(self, config: EmbeddingLSTMConfig, input_size: int) -> None:
        super().__init__()
        self.forwards = LSTMDirection(input_size, config.lstm_size)
        self.backwards = LSTMDirection(input_size, config.lstm_size) if config.bidirectional else None

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read texts.

        Args:
            vectors: `(B, L, input_size)`, the words of each text first.
            lengths: Their number `(B,)`.

        Returns:
            The states after the last word, of the backward direction after the first one, side by side
            `(B, num_features)`, 0 for a text without words; and the states at each word `(B, L, num_features)`, of no
            meaning after the last.
        """
        states = self.forwards(vectors)  # (B, L, lstm_size)
        final = state_at(states, lengths)
        if self.backwards is None:
            return final, states
        turned = self.backwards(turn_round(vectors, lengths))
        final = torch.cat([final, state_at(turned, lengths)], dim=1)
        return final, torch.cat([states, turn_round(turned, lengths)], dim=2)


def state_at(states: Tensor, lengths: Tensor) -> Tensor:
    """The state after the last word `(B, H)` of states `(B, L, H)`, 0 for a text without words."""
    last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, last)[:, 0] * (lengths > 0)[:, None]


def turn_round(vectors: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` (B,) of the vectors (B, L, D) of each text in the opposite order; the rest stays."""
    places = torch.arange(vectors.shape[1], device=vectors.device)[None]  # (1, L)
    index = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return vectors.gather(1, index[:, :, None].expand(-1, -1, vectors.shape[2]))


def words_first(input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the words of each text to its front, in their order, wherever the padding was; tokens and mask (B, L).

    Texts none of which has a word, which tokenizers make of width 0, get one place of padding.
    """
    if input_ids.shape[1] == 0:
        input_ids, mask = (given.new_zeros(given.shape[0], 1, dtype=torch.int64) for given in (input_ids, mask))
        mask = mask.bool()
    length = input_ids.shape[1]
    places = torch.arange(length, device=input_ids.device)
    order = (places + (~mask).long() * length).argsort(1)
    return input_ids.gather(1, order), places[None] < mask.sum(1, keepdim=True)


class EmbeddingLSTMPreTrainedModel(WordModel):
    """Weight initialisation and loading for the family."""

    config: EmbeddingLSTMConfig
    base_model_prefix = "embedding_lstm"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Uniform recurrent weights as in `torch.nn.LSTM`, and forget gates that begin open (Gers et al. 2000)."""
        if isinstance(module, LSTMDirection):
            bound = 1 / math.sqrt(module.hidden_size)
            for weight in (module.weight_ih_l0, module.weight_hh_l0):
                init.uniform_(weight, -bound, bound)
            gates = torch.zeros(4, module.hidden_size, device=module.bias_ih_l0.device)
            gates[1] = 1.0  # torch's order: input, forget, cell, output
            init.copy_(module.bias_ih_l0, gates.flatten())
            init.zeros_(module.bias_hh_l0)
        else:
            super()._init_weights(module)


class EmbeddingLSTMModel(EmbeddingLSTMPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: EmbeddingLSTMConfig) -> None:
        super().__init__(config)
        self.words = WordEmbeddings(config)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            LSTMLayer(config, config.num_features if number else config.hidden_size)
            for number in range(config.num_layers)
        )
        self.post_init()

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Read texts.

        Args:
            input_ids: Numbers of words `(B, L)`.
            attention_mask: 1 for words and 0 for padding `(B, L)`, which may stand anywhere; by default all but
                `pad_token_id` are words.
            output_hidden_states: Return the states of every layer as well; the config's value if `None`.

        Returns:
            `last_hidden_state`: the last layer's states at each word `(B, L, num_features)`, the words first and 0
            after them; `pooler_output`: the features of the text `(B, num_features)`, 0 for one without words;
            `hidden_states`: the word vectors `(B, L, D)`, the words first, and the states of each layer.

        Raises:
            ValueError: Tokens or mask have another shape.
        """
        input_ids, mask = words_first(input_ids, word_mask(input_ids, attention_mask, self.config.pad_token_id))
        lengths = mask.sum(1)  # (B,)
        _, states = self.words(input_ids, mask)
        every = [states := states * mask[:, :, None]]
        for layer in self.layers:
            final, states = layer(self.dropout(states), lengths)
            every.append(states := states * mask[:, :, None])
        return BaseModelOutputWithPooling(
            last_hidden_state=states,
            pooler_output=self._pool(final, states, mask),
            hidden_states=tuple(every) if output_hidden_states else None,
        )

    def _pool(self, final: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        match self.config.pooling:
            case "last":
                return final
            case "mean":
                return states.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            case "max":
                lowest = torch.finfo(states.dtype).min
                return states.masked_fill(~mask[:, :, None], lowest).amax(1) * mask.any(1)[:, None]


class EmbeddingLSTMForSequenceClassification(TextClassifier, EmbeddingLSTMPreTrainedModel):
    """The network with a classifier on what it made of the text."""

    network_class = EmbeddingLSTMModel
