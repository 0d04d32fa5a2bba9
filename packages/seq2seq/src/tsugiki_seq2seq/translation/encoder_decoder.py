"""Recurrent encoder-decoders, with and without attention, as models that ``generate()`` can search with.

- ``attention="none"`` (Sutskever, Vinyals and Le 2014; Cho et al. 2014): the source is one vector, the decoder's first
  state, which it sees at every step besides.
- ``bahdanau`` (Bahdanau, Cho and Bengio 2015): the state before a step chooses what the step sees of the source.
- ``luong-…`` (Luong, Pham and Manning 2015): the state after a step chooses; h~ = tanh(W [c; s]) goes to the softmax,
  and with `input_feeding` into the next step too. Without it all steps of a training pass run in one kernel.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from tsugiki.forward_options import forward_options
from tsugiki.onnx_refusal import refuse_onnx
from tsugiki.token_rows import TokenRows

from ..recurrent.recurrent import final_states
from ..recurrent.recurrent_cells import RecurrentNetwork
from ..recurrent.recurrent_generation import DecoderGenerationMixin
from ..recurrent.recurrent_layers import CellType, RecurrentStack, State, join_steps, state_tensors
from ..recurrent.recurrent_state import RecurrentState
from .attention import STEPPED_ATTENTION, Attention, AttentionType


@strict
class RecurrentSeq2SeqConfig(PreTrainedConfig):
    """Sizes of an encoder-decoder.

    Attributes:
        vocab_size: Tokens, of source and target together.
        hidden_size: Units of a decoder layer; the encoder has as many in all, half of them each way.
        embedding_size: Numbers a token; as many as `hidden_size` by default.
        encoder_layers: Layers of the encoder, which reads both ways.
        decoder_layers: Layers of the decoder.
        cell_type: ``rnn``, ``gru``, ``lstm`` or ``lstm-peephole``.
        attention: ``none``, ``bahdanau``, ``luong-dot``, ``luong-general`` or ``luong-concat``.
        attention_size: Hidden units of an additive score; as many as `hidden_size` by default.
        input_feeding: Luong's h~ goes into the next step too.
        dropout: Rate on embeddings, between layers and before the softmax.
        word_dropout: Share of the tokens, of source and target, that training shows without their embedding (Gal and
            Ghahramani 2016; Sennrich and Zhang 2019).
        label_smoothing: Share of each label's probability that training spreads over all tokens (Szegedy et al. 2016).
        share_embeddings: Source and target share their embeddings.
        tie_word_embeddings: Use the target's embeddings as the output matrix (Press and Wolf 2017).
        decoder_start_token_id: What a target begins with.
    """

    model_type = "tsugiki_recurrent_seq2seq"
    is_encoder_decoder: bool = True

    vocab_size: int = 1000
    hidden_size: int = 128
    embedding_size: int | None = None
    encoder_layers: int = 1
    decoder_layers: int = 1
    cell_type: CellType = "gru"
    attention: AttentionType = "bahdanau"
    attention_size: int | None = None
    input_feeding: bool = False
    dropout: float | int = 0.0
    word_dropout: float | int = 0.0
    label_smoothing: float | int = 0.0
    share_embeddings: bool = True
    tie_word_embeddings: bool = True
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int | None = 1

    @property
    def token_size(self) -> int:
        """Numbers that an embedding has."""
        return self.hidden_size if self.embedding_size is None else self.embedding_size

    def validate_sizes(self) -> None:
        """Refuse sizes that make no network."""
        sizes = (self.vocab_size, self.hidden_size, self.token_size, self.encoder_layers, self.decoder_layers)
        if min(sizes) < 1:
            raise ValueError(
                "vocab_size, hidden_size, embedding_size, encoder_layers and decoder_layers must be at least 1, not "
                f"{', '.join(map(str, sizes))}."
            )
        if self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even, for the encoder's two directions share it, not {sizes[1]}.")
        if self.input_feeding and not self.attention.startswith("luong"):
            raise ValueError(f"input_feeding goes with Luong's attention, not with {self.attention!r}.")
        if self.decoder_start_token_id is None or self.pad_token_id is None:
            raise ValueError("decoder_start_token_id and pad_token_id must be tokens.")


class RecurrentEncoder(nn.Module):
    """Reads the source both ways."""

    main_input_name = "input_ids"

    def __init__(self, config: RecurrentSeq2SeqConfig, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.dropout = nn.Dropout(config.dropout)
        self.word_dropout = nn.Dropout1d(config.word_dropout)  # of (B, L, E) it drops whole tokens
        self.layers = RecurrentStack(
            config.cell_type,
            config.token_size,
            config.hidden_size // 2,
            config.encoder_layers,
            bidirectional=True,
            dropout=config.dropout,
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **ignored: Any,
    ) -> BaseModelOutput:
        """Read.

        Args:
            input_ids: Tokens (B, S).
            attention_mask: 1 for tokens and 0 for padding (B, S).
            inputs_embeds: Embeddings (B, S, E) instead of tokens.
            output_hidden_states: Return the embeddings and the outputs of every layer as well.
            **ignored: What ``generate()`` passes besides.

        Returns:
            ``last_hidden_state`` (B, S, H), 0 at padding, and ``hidden_states`` where asked for.
        """
        values = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        embedded = self.dropout(self.word_dropout(values))
        hidden_states = [embedded]
        states, _ = self.layers(embedded, attention_mask, None, hidden_states if output_hidden_states else None)
        return BaseModelOutput(
            last_hidden_state=states,
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
        )


class RecurrentDecoder(nn.Module):
    """Writes the target, a token a step."""

    def __init__(self, config: RecurrentSeq2SeqConfig, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.config = config
        self.embeddings = embeddings
        self.dropout = nn.Dropout(config.dropout)
        self.word_dropout = nn.Dropout1d(config.word_dropout)  # of (B, L, E) it drops whole tokens
        size, kind = config.hidden_size, config.attention
        fed = size if kind in ("none", "bahdanau") else config.token_size if config.input_feeding else 0
        self.bridge = nn.Linear(size, state_tensors(config.cell_type) * config.decoder_layers * size)
        self.layers = RecurrentStack(
            config.cell_type, config.token_size + fed, size, config.decoder_layers, dropout=config.dropout
        )
        self.attention = None if kind == "none" else Attention(kind, size, size, config.attention_size or size)
        seen = {"none": 2 * size, "bahdanau": 2 * size + config.token_size}.get(kind, 2 * size)
        # What goes to the softmax: a layer of tanh over the state, the context and, after Bahdanau, the last token.
        self.readout = nn.Linear(seen, config.token_size)

    def begin(self, source: Tensor, mask: Tensor) -> State:
        """The first state, from what the encoder holds at its ends; tensors (layers, B, H), and h~ (1, B, E) where it
        is fed."""
        summary = final_states(source, mask, bidirectional=True)  # (B, H)
        parts = state_tensors(self.config.cell_type)
        bridged = torch.tanh(self.bridge(summary)).unflatten(1, (parts, self.config.decoder_layers, -1))
        state = tuple(part.transpose(0, 1).contiguous() for part in bridged.unbind(1))
        if self.config.input_feeding:
            state += (source.new_zeros(1, source.shape[0], self.config.token_size),)
        return state

    def forward(
        self,
        input_ids: Tensor,
        source: Tensor,
        mask: Tensor,
        keys: Tensor | None,
        state: State,
        hidden_states: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None, State]:
        """Go on from a state with some given tokens.

        Args:
            input_ids: Tokens (B, T).
            source: Outputs of the encoder (B, S, H).
            mask: True for source tokens (B, S).
            keys: What `Attention.keys` gave, or None without attention.
            state: Where to begin, as `begin` gives it.
            hidden_states: Where the embeddings (B, T, E) and the outputs of each layer (B, T, H) are put.

        Returns:
            What goes to the softmax (B, T, E), attention weights (B, T, S) or None, and the state after the last token.
        """
        tokens = self.dropout(self.word_dropout(self.embeddings(input_ids)))  # (B, T, E)
        if hidden_states is not None:
            hidden_states.append(tokens)
        if self.attention is None:
            context = final_states(source, mask, bidirectional=True)[:, None].expand(-1, tokens.shape[1], -1)
            states, state = self.layers(torch.cat([tokens, context], dim=-1), None, state, hidden_states)
            return self._read_out(states, context), None, state
        if keys is None:
            raise ValueError("attention needs the keys of the source")
        if self.config.attention == "bahdanau":
            return self._bahdanau(tokens, source, mask, keys, state, hidden_states)
        if self.config.input_feeding:
            return self._input_feeding(tokens, source, mask, keys, state, hidden_states)
        states, state = self.layers(tokens, None, state, hidden_states)
        contexts, weights = self.attention(states, keys, source, mask)
        return self._read_out(states, contexts), weights, state

    def _read_out(self, *parts: Tensor) -> Tensor:
        return self.dropout(torch.tanh(self.readout(torch.cat(parts, dim=-1))))

    def _bahdanau(
        self,
        tokens: Tensor,
        source: Tensor,
        mask: Tensor,
        keys: Tensor,
        state: State,
        hidden_states: list[Tensor] | None,
    ) -> tuple[Tensor, Tensor, State]:
        assert self.attention is not None
        refuse_onnx(STEPPED_ATTENTION)
        states, contexts, weights, steps = [], [], [], []
        for token in tokens.split(1, dim=1):  # (B, 1, E)
            context, weight = self.attention(state[0][-1][:, None], keys, source, mask)
            layers: list[Tensor] = []
            output, state = self.layers(torch.cat([token, context], dim=-1), None, state, layers)
            steps.append(layers)
            states.append(output)
            contexts.append(context)
            weights.append(weight)
        if hidden_states is not None:
            hidden_states += join_steps(steps)
        hidden = self._read_out(torch.cat(states, dim=1), torch.cat(contexts, dim=1), tokens)
        return hidden, torch.cat(weights, dim=1), state

    def _input_feeding(
        self,
        tokens: Tensor,
        source: Tensor,
        mask: Tensor,
        keys: Tensor,
        state: State,
        hidden_states: list[Tensor] | None,
    ) -> tuple[Tensor, Tensor, State]:
        assert self.attention is not None
        refuse_onnx(STEPPED_ATTENTION)
        hidden, weights, steps = [], [], []
        *cells, fed = state
        for token in tokens.split(1, dim=1):
            layers: list[Tensor] = []
            output, cells = self.layers(torch.cat([token, fed[0][:, None]], dim=-1), None, tuple(cells), layers)
            steps.append(layers)
            context, weight = self.attention(output, keys, source, mask)
            seen = self._read_out(output, context)  # (B, 1, E)
            fed = seen.transpose(0, 1)
            hidden.append(seen)
            weights.append(weight)
        if hidden_states is not None:
            hidden_states += join_steps(steps)
        return torch.cat(hidden, dim=1), torch.cat(weights, dim=1), (*cells, fed)


class RecurrentSeq2SeqPreTrainedModel(RecurrentNetwork):
    """Weight initialisation and loading for the family."""

    config: RecurrentSeq2SeqConfig
    base_model_prefix = "seq2seq"


class RecurrentForConditionalGeneration(DecoderGenerationMixin, TokenRows, RecurrentSeq2SeqPreTrainedModel):
    """P(target | source), token by token."""

    _tied_weights_keys = {  # noqa: RUF012
        "decoder.embeddings.weight": "encoder.embeddings.weight",
        "lm_head.weight": "decoder.embeddings.weight",
    }

    def __init__(self, config: RecurrentSeq2SeqConfig) -> None:
        super().__init__(config)
        source = nn.Embedding(config.vocab_size, config.token_size)
        if config.share_embeddings:  # two modules with one weight: transformers looks after those, not after one module
            target = nn.Embedding.from_pretrained(source.weight.detach(), freeze=False)
            target._is_hf_initialized = True  # the source's is drawn
        else:
            target = nn.Embedding(config.vocab_size, config.token_size)
        self.encoder = RecurrentEncoder(config, source)
        self.decoder = RecurrentDecoder(config, target)
        self.lm_head = nn.Linear(config.token_size, config.vocab_size)
        self.post_init()

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Which weights are one, by the config; transformers asks for ``tie_word_embeddings`` alone."""
        tied = {}
        if self.config.share_embeddings:
            tied["decoder.embeddings.weight"] = "encoder.embeddings.weight"
        if self.config.tie_word_embeddings:
            first = "encoder" if self.config.share_embeddings else "decoder"
            tied["lm_head.weight"] = f"{first}.embeddings.weight"
        return tied

    def get_input_embeddings(self) -> nn.Embedding:
        """The source's embeddings."""
        return self.encoder.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the source's embeddings, and the weight of the target's where they share it."""
        self.encoder.embeddings = value  # type: ignore[assignment]
        if self.config.share_embeddings:
            self.decoder.embeddings.weight = self.encoder.embeddings.weight
            self.decoder.embeddings.num_embeddings = self.encoder.embeddings.num_embeddings

    def resize_token_rows(self, size: int, mean_resizing: bool) -> None:
        """The target's embeddings, where they are not the source's."""
        if not self.config.share_embeddings:
            self._get_resized_embeddings(self.decoder.embeddings, size, mean_resizing=mean_resizing)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Sources and, of the same length, what the decoder reads."""
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(3, self.config.vocab_size, (2, 4), generator=generator)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "decoder_input_ids": ids.flip(1)}

    @forward_options
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor] | None = None,
        past_key_values: RecurrentState | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqLMOutput:
        """Translate with given target tokens.

        Args:
            input_ids: Source tokens (B, S).
            attention_mask: 1 for source tokens and 0 for padding (B, S), which may stand anywhere.
            decoder_input_ids: Target tokens read so far (B, T); made of `labels` where left out.
            encoder_outputs: What the encoder gave, instead of a source.
            past_key_values: The decoder's state to go on from.
            labels: Target tokens to write (B, T), -100 where nothing is asked.
            use_cache: Give the state after the last token back.
            output_attentions: Give the attention's weights back.
            output_hidden_states: Give the hidden states back.

        Returns:
            ``logits`` (B, T, vocab_size); with `labels` the mean cross entropy in nats as ``loss``; with `use_cache`
            ``past_key_values``; with `output_attentions` ``cross_attentions``, one tensor (B, 1, T, S), as
            transformers' own models give them; with `output_hidden_states` the embeddings and the outputs of each layer
            as ``encoder_hidden_states`` and ``decoder_hidden_states``, there last what goes to the softmax (B, T, E);
            ``encoder_last_hidden_state`` (B, S, H).

        Raises:
            ValueError: There is no source, or no target.
        """
        if encoder_outputs is None:
            if input_ids is None:
                raise ValueError("give input_ids or encoder_outputs")
            encoder_outputs = self.encoder(input_ids, attention_mask, output_hidden_states=output_hidden_states)
        source = encoder_outputs[0]  # (B, S, H)
        decoder_input_ids = self.decoder_tokens(decoder_input_ids, labels)
        mask = source.new_ones(source.shape[:2]).bool() if attention_mask is None else attention_mask.bool()
        return self.write(
            decoder_input_ids,
            (source, mask),
            past_key_values,
            labels,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            encoder_outputs=encoder_outputs,
        )
