"""Recurrent networks under three heads: language models, taggers, classifiers of texts.

One core, `recurrent_layers.RecurrentStack`, of Elman, GRU or LSTM cells. A language model (Mikolov et al. 2010) reads
forwards and guesses the next token; a tagger reads both ways and labels every token; a classifier labels the whole.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
    TokenClassifierOutput,
)
from tsugiki.classification_loss import place_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options
from tsugiki.tensor_table import IGNORED
from tsugiki.text_classifier import TextClassifier

from .recurrent_cells import RecurrentNetwork
from .recurrent_generation import RecurrentGenerationMixin
from .recurrent_layers import CellType, RecurrentStack, VariationalDropout
from .recurrent_state import RecurrentState


@strict
class RecurrentConfig(ClassifierHeadConfig, PreTrainedConfig):
    """Sizes of a recurrent network.

    Attributes:
        vocab_size: Tokens.
        hidden_size: Units of a layer, of each direction.
        embedding_size: Numbers a token; as many as `hidden_size` by default.
        num_hidden_layers: Layers on top of each other.
        cell_type: ``rnn`` (Elman), ``gru``, ``lstm`` or ``lstm-peephole``.
        bidirectional: Read both ways; not for a language model.
        layer_norm: Normalise within the cells (Ba, Kiros and Hinton 2016).
        dropout: Rate on embeddings, between layers and before the head.
        variational_dropout: Drop the same units at every step (Gal and Ghahramani 2016).
        weight_dropout: Share of the weights from a layer's units to themselves that is dropped in training (Merity,
            Keskar and Socher 2018).
        tie_word_embeddings: Use the embeddings as the language model's output matrix (Press and Wolf 2017).
        pooling: What a classifier of texts looks at: the ``last`` states, or their ``mean`` or ``max``.
    """

    model_type = "tsugiki_recurrent"

    vocab_size: int = 1000
    hidden_size: int = 128
    embedding_size: int | None = None
    num_hidden_layers: int = 1
    cell_type: CellType = "lstm"
    bidirectional: bool = False
    layer_norm: bool = False
    dropout: float | int = 0.0
    variational_dropout: bool = False
    weight_dropout: float | int = 0.0
    tie_word_embeddings: bool = False
    pooling: Literal["last", "mean", "max"] = "last"
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None

    @property
    def token_size(self) -> int:
        """Numbers that an embedding has."""
        return self.hidden_size if self.embedding_size is None else self.embedding_size

    @property
    def num_features(self) -> int:
        """Numbers that describe a token behind the last layer."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    def validate_sizes(self) -> None:
        """Refuse a network without tokens, units or layers."""
        sizes = (self.vocab_size, self.hidden_size, self.token_size, self.num_hidden_layers)
        if min(sizes) < 1:
            raise ValueError(
                "vocab_size, hidden_size, embedding_size and num_hidden_layers must be at least 1, not "
                f"{', '.join(map(str, sizes))}."
            )


class RecurrentPreTrainedModel(RecurrentNetwork):
    """Weight initialisation and loading for the family."""

    config: RecurrentConfig
    base_model_prefix = "recurrent"
    _input_embed_layer = "embeddings"


class RecurrentModel(RecurrentPreTrainedModel):
    """Embeddings and recurrent layers: a vector for each token in its context."""

    _keys_to_ignore_on_load_unexpected = [r"^lm_head\.", r"^projection\.", r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.token_size)
        self.dropout: nn.Module = (
            VariationalDropout(config.dropout) if config.variational_dropout else nn.Dropout(config.dropout)
        )
        self.layers = RecurrentStack(
            config.cell_type,
            config.token_size,
            config.hidden_size,
            config.num_hidden_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            variational_dropout=config.variational_dropout,
            layer_norm=config.layer_norm,
            weight_dropout=float(config.weight_dropout),
        )
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: RecurrentState | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """Read texts.

        Args:
            input_ids: Tokens (B, L).
            attention_mask: 1 for tokens and 0 for padding (B, L), which may stand anywhere. A longer one is that of
                the tokens already in the state too.
            past_key_values: The state to go on from.
            inputs_embeds: Embeddings (B, L, E) instead of tokens.
            use_cache: Give the state after the last tokens back.
            output_hidden_states: Return the outputs of every layer as well; the config's value if `None`.

        Returns:
            ``last_hidden_state`` (B, L, `num_features`), 0 at padding; with `use_cache` ``past_key_values``; with
            `output_hidden_states` the embeddings (B, L, E) and the outputs of each layer as ``hidden_states``.

        Raises:
            ValueError: Neither tokens nor embeddings are given, or both are; or a state for a network that reads both
                ways.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        if self.config.bidirectional and (past_key_values is not None or use_cache):
            raise ValueError("a bidirectional network reads whole texts; it has no state to go on from")
        values = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds  # (B, L, E)
        length = values.shape[1]
        if attention_mask is not None:
            attention_mask = attention_mask[:, attention_mask.shape[1] - length :]
        begin = None if past_key_values is None else past_key_values.tensors
        embedded = self.dropout(values)
        states = [embedded]
        outputs, end = self.layers(embedded, attention_mask, begin, states if output_hidden_states else None)
        state = None
        if use_cache:
            state = RecurrentState() if past_key_values is None else past_key_values
            state.advance(end, length)
        return BaseModelOutputWithPast(
            last_hidden_state=outputs,
            past_key_values=state,  # type: ignore[arg-type]
            hidden_states=tuple(states) if output_hidden_states else None,
        )


class RecurrentForCausalLM(RecurrentGenerationMixin, RecurrentPreTrainedModel):
    """A language model: P(text) as the product of P(token | all tokens before)."""

    _tied_weights_keys = {"lm_head.weight": "recurrent.embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        if config.bidirectional:
            raise ValueError("a language model reads forwards alone; leave bidirectional=True out")
        self.recurrent = RecurrentModel(config)
        self.dropout: nn.Module = (
            VariationalDropout(config.dropout) if config.variational_dropout else nn.Dropout(config.dropout)
        )
        narrow = config.tie_word_embeddings and config.token_size != config.hidden_size
        self.projection = nn.Linear(config.hidden_size, config.token_size) if narrow else None
        self.lm_head = nn.Linear(config.token_size if narrow else config.hidden_size, config.vocab_size)
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: RecurrentState | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        output_hidden_states: bool | None = None,
        shift_labels: Tensor | None = None,
    ) -> CausalLMOutputWithPast:
        """Guess the token after each.

        Args:
            input_ids: Tokens (B, L).
            attention_mask: 1 for tokens and 0 for padding (B, L).
            past_key_values: The state to go on from.
            inputs_embeds: Embeddings (B, L, E) instead of tokens.
            labels: The tokens themselves (B, L), -100 where nothing is asked; each is guessed at the place before it.
            use_cache: Give the state after the last tokens back.
            logits_to_keep: Logits of the last so many places only; 0 for all.
            output_hidden_states: Return the network's hidden states as well; the config's value if `None`.
            shift_labels: The token to guess at each place (B, L), -100 where nothing is asked, in place of `labels`:
                parts of a text that were parted after its tokens had been moved.

        Returns:
            ``logits`` (B, L, vocab_size), with labels the mean cross entropy in nats as ``loss``, with `use_cache`
            ``past_key_values``, and ``hidden_states`` where asked for.
        """
        body = self.recurrent(
            input_ids,
            attention_mask,
            past_key_values,
            inputs_embeds,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        hidden = self.dropout(body.last_hidden_state[:, -logits_to_keep:])  # (B, kept, H)
        if self.projection is not None:
            hidden = self.projection(hidden)
        logits = self.lm_head(hidden)
        loss = None
        if shift_labels is None and labels is not None:
            shift_labels = F.pad(labels[:, 1:], (0, 1), value=IGNORED)  # the labels move, for the logits are many more
        if shift_labels is not None:
            loss = F.cross_entropy(logits.float().flatten(0, 1), shift_labels.flatten().long(), ignore_index=IGNORED)
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=body.past_key_values, hidden_states=body.hidden_states
        )


class RecurrentForTokenClassification(RecurrentPreTrainedModel):
    """A tagger: a label for each token."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.recurrent = RecurrentModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = classifier_head(config, config.num_features)
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> TokenClassifierOutput:
        """Label tokens.

        Args:
            input_ids: Tokens (B, L).
            attention_mask: 1 for tokens and 0 for padding (B, L).
            labels: Class numbers (B, L), -100 where nothing is asked. With them the output holds the mean cross
                entropy in nats.
            output_hidden_states: Return the network's hidden states as well; the config's value if `None`.

        Returns:
            ``logits`` (B, L, num_labels), and ``loss`` and ``hidden_states`` where asked for.
        """
        body = self.recurrent(input_ids, attention_mask, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(body.last_hidden_state))
        loss = None if labels is None else place_loss(logits, labels, self.config)
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=body.hidden_states)


class RecurrentForSequenceClassification(TextClassifier, RecurrentPreTrainedModel):
    """A classifier of whole texts."""

    network_class = RecurrentModel

    def features(self, outputs: BaseModelOutputWithPast, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """The states (B, L, F) of a text's tokens to one vector (B, F), 0 for a text without tokens."""
        states = outputs.last_hidden_state
        assert states is not None
        mask = (torch.ones_like(input_ids) if attention_mask is None else attention_mask).bool()
        if self.config.pooling == "mean":
            return states.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        if self.config.pooling == "max":
            lowest = torch.finfo(states.dtype).min
            return states.masked_fill(~mask[..., None], lowest).amax(1) * mask.any(1)[:, None]
        return final_states(states, mask, bidirectional=self.config.bidirectional)


def final_states(states: Tensor, mask: Tensor, *, bidirectional: bool) -> Tensor:
    """What the readers hold at their end: the forward half after the last token, the backward half at the first.

    Args:
        states: (B, L, F), 0 at padding.
        mask: True for tokens (B, L).
        bidirectional: Whether the second half of F was read backwards.

    Returns:
        (B, F), 0 for a row without tokens.
    """
    places = torch.arange(mask.shape[1], device=mask.device)
    last = torch.where(mask, places, -1).amax(1).clamp(min=0)  # (B,)
    rows = torch.arange(states.shape[0], device=states.device)
    if not bidirectional:
        return states[rows, last]
    first = torch.where(mask, places, mask.shape[1] - 1).amin(1)
    half = states.shape[2] // 2
    return torch.cat([states[rows, last, :half], states[rows, first, half:]], dim=1)
