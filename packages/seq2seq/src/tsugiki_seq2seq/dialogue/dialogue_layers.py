"""What the hierarchical models of dialogues share: an encoder of utterances and of their sequence, and a decoder.

A dialogue w_1 .. w_M of utterances has the probability of the product of P(w_m | w_1 .. w_m-1). Recurrent cells (GRU)
read each utterance both ways to one vector, others read these vectors to the state of the dialogue, and a third network
writes the next utterance from that state: Sordoni et al. 2015 (A hierarchical recurrent encoder-decoder for generative
context-aware query suggestion), Serban et al. 2016 (Building end-to-end dialogue systems using generative hierarchical
neural network models).
"""

from typing import Any, ClassVar

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput

from ..recurrent.recurrent import final_states
from ..recurrent.recurrent_cells import State
from ..recurrent.recurrent_layers import RecurrentStack
from .utterance_rows import groups_of_like_length, put_rows, tokens_in_front, trimmed


@strict
class DialogueConfig(PreTrainedConfig):
    """Sizes of a hierarchical model of dialogues.

    Attributes:
        vocab_size: Tokens.
        hidden_size: Units of the decoder, and numbers an utterance is read to, half of them each way.
        context_size: Units of the network over the utterances; as many as `hidden_size` by default.
        embedding_size: Numbers a token; as many as `hidden_size` by default.
        dropout: Rate on embeddings and before the softmax.
        word_dropout: Share of the tokens that the decoder reads as ``<unk>`` in training, so that it must look at what
            it is conditioned on (Bowman et al. 2016, Generating sentences from a continuous space, section 3.1).
        tie_word_embeddings: Use the embeddings as the output matrix (Press and Wolf 2017).
        unk_token_id: What a dropped word is read as.
        decoder_start_token_id: What an utterance begins with.
        reads_dialogues: Of every config of this kind: the model reads utterances of tokens (B, U, L), not texts.
    """

    reads_dialogues: ClassVar[bool] = True
    is_encoder_decoder: bool = True

    vocab_size: int = 1000
    hidden_size: int = 128
    context_size: int | None = None
    embedding_size: int | None = None
    dropout: float | int = 0.0
    word_dropout: float | int = 0.0
    tie_word_embeddings: bool = True
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    unk_token_id: int = 3
    decoder_start_token_id: int | None = 1

    @property
    def token_size(self) -> int:
        """Numbers that an embedding has."""
        return self.hidden_size if self.embedding_size is None else self.embedding_size

    @property
    def state_size(self) -> int:
        """Numbers that a dialogue's state has."""
        return self.hidden_size if self.context_size is None else self.context_size

    def validate_sizes(self) -> None:
        """Refuse sizes that make no network."""
        sizes = (self.vocab_size, self.hidden_size, self.state_size, self.token_size)
        if min(sizes) < 1:
            raise ValueError(
                "vocab_size, hidden_size, context_size and embedding_size must be at least 1, not "
                f"{', '.join(map(str, sizes))}."
            )
        if self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even, for the two directions share it, not {self.hidden_size}.")
        for name in ("dropout", "word_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {getattr(self, name)}.")
        if self.decoder_start_token_id is None or self.pad_token_id is None:
            raise ValueError("decoder_start_token_id and pad_token_id must be tokens.")


class DialogueEncoder(nn.Module):
    """Reads every utterance, and the sequence of them."""

    main_input_name = "input_ids"

    def __init__(self, config: DialogueConfig) -> None:
        super().__init__()
        self.pad_token_id = config.pad_token_id
        self.embeddings = nn.Embedding(config.vocab_size, config.token_size)
        self.dropout = nn.Dropout(config.dropout)
        self.utterances = RecurrentStack("gru", config.token_size, config.hidden_size // 2, bidirectional=True)
        self.context = RecurrentStack("gru", config.hidden_size, config.state_size)

    def token_mask(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """True for tokens (B, U, L).

        Args:
            input_ids: (B, U, L).
            attention_mask: 1 for tokens (B, U, L), or for utterances (B, U); what is the padding token is none then.
        """
        if input_ids.ndim != 3:
            raise ValueError(
                f"input_ids must be dialogues of utterances of tokens (B, U, L), not of shape {tuple(input_ids.shape)}"
            )
        if attention_mask is not None and attention_mask.ndim == 3:
            return attention_mask.bool()
        mask = torch.ne(input_ids, self.pad_token_id or 0)
        return mask if attention_mask is None else mask & attention_mask.bool()[..., None]

    def summaries(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Utterances (N, L), tokens first, to a vector each (N, H); 0 for one without tokens."""
        groups = groups_of_like_length(mask.sum(1))
        read = []
        for rows in groups:
            inside = trimmed(mask[rows])
            values = self.dropout(self.embeddings(tokens[rows, : inside.shape[1]]))
            states, _ = self.utterances(values, inside)
            read.append(final_states(states, inside, bidirectional=True))
        return put_rows(torch.cat(read), torch.cat(groups), len(tokens))

    def contexts(self, summaries: Tensor, spoken: Tensor) -> Tensor:
        """The dialogue's state after each utterance (B, U, C), 0 where there is none.

        Args:
            summaries: Of the utterances (B, U, H).
            spoken: Whether there is an utterance (B, U).
        """
        states, _ = self.context(summaries, spoken)
        return states

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **ignored: Any,
    ) -> BaseModelOutput:
        """Read whole dialogues.

        Args:
            input_ids: Tokens (B, U, L).
            attention_mask: As `token_mask` takes it.
            output_hidden_states: Return the utterances' vectors and the states after each as well.
            **ignored: What ``generate()`` passes besides.

        Returns:
            ``last_hidden_state`` (B, 1, C), the state after a dialogue's last utterance; where asked for
            ``hidden_states``, of the utterances (B, U, H) and of the dialogue after each (B, U, C).
        """
        if input_ids is None:
            raise ValueError("give input_ids")
        mask = self.token_mask(input_ids, attention_mask)
        tokens, inside = tokens_in_front(input_ids, mask)
        spoken = mask.any(2)
        summaries = self.summaries(tokens, inside).unflatten(0, spoken.shape)
        states = self.contexts(summaries, spoken)
        last: Any = final_states(states, spoken, bidirectional=False)[:, None]
        hidden_states: Any = (summaries, states) if output_hidden_states else None
        return BaseModelOutput(last_hidden_state=last, hidden_states=hidden_states)


class UtteranceDecoder(nn.Module):
    """Writes an utterance from what it is conditioned on, which makes its first state and is added to every input.

    Args:
        config: Sizes.
        condition_size: K.
    """

    def __init__(self, config: DialogueConfig, condition_size: int) -> None:
        super().__init__()
        self.bridge = nn.Linear(condition_size, config.hidden_size)
        # Added to the tokens, it costs a matrix an utterance; beside them it would cost a wider one every step.
        self.condition = nn.Linear(condition_size, config.token_size, bias=False)
        self.layers = RecurrentStack("gru", config.token_size, config.hidden_size)
        self.readout = nn.Linear(config.hidden_size, config.token_size)

    def begin(self, condition: Tensor) -> State:
        """The first state (1, N, H)."""
        return (torch.tanh(self.bridge(condition))[None],)

    def forward(
        self, embedded: Tensor, condition: Tensor, state: State, hidden_states: list[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """Go on from a state with some given tokens.

        Args:
            embedded: Of the tokens (N, T, E).
            condition: (N, K).
            state: As `begin` gives it.
            hidden_states: Where the layer's inputs (N, T, E) and outputs (N, T, H) are put.

        Returns:
            What goes to the softmax (N, T, E), and the state after the last token.
        """
        inputs = embedded + self.condition(condition)[:, None]
        if hidden_states is not None:
            hidden_states.append(inputs)
        states, state = self.layers(inputs, None, state, hidden_states)
        return self.readout(states), state
