"""What HRED and VHRED share beyond their layers: reading dialogues, measuring utterances, writing the next one.

A family says what its decoder is conditioned on; everything else is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput, ModelOutput
from tsugiki.tensor_table import IGNORED

from ..recurrent.recurrent_cells import RecurrentNetwork
from ..recurrent.recurrent_generation import RecurrentGenerationMixin, read_before
from ..recurrent.recurrent_state import RecurrentState
from .dialogue_layers import DialogueConfig, DialogueEncoder, UtteranceDecoder
from .utterance_rows import (
    groups_of_like_length,
    put_rows,
    states_before,
    tokens_in_front,
    trimmed,
    utterance_keys,
)


@dataclass
class DialogueOutput(ModelOutput):
    """What a model says of dialogues, or of the utterance that follows them.

    Attributes:
        loss: Nats a token that is asked for, those of a latent variable's bound included.
        reconstruction: -log P of each utterance that is asked for (B, U), given all before it and the latent variable
            where there is one; 0 elsewhere.
        kl: Divergence of the posterior from the prior (B, U), where there is a latent variable.
        posterior_mean: Of the latent numbers (B, U, Z).
        prior_mean: Of them (B, U, Z).
        logits: Of the tokens after those the decoder has read (B, T, vocab_size).
        past_key_values: The decoder's state.
        encoder_last_hidden_state: The dialogues' states (B, 1, C).
        encoder_hidden_states: Of the utterances (B, U, H), and of the dialogues after each (B, U, C).
        decoder_hidden_states: Of an utterance that is written: inputs of the layer, and what goes to the softmax
            (B, T, E).
        decoder_attentions: None; here for ``generate()``, which asks for it.
        cross_attentions: None, likewise.
    """

    loss: Tensor | None = None
    reconstruction: Tensor | None = None
    kl: Tensor | None = None
    posterior_mean: Tensor | None = None
    prior_mean: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: tuple[Tensor, ...] | None = None
    decoder_hidden_states: tuple[Tensor, ...] | None = None
    decoder_attentions: None = None
    cross_attentions: None = None


@dataclass(frozen=True)
class Utterances:
    """The utterances of a batch of dialogues, read.

    Attributes:
        shape: B and U.
        tokens: (B U, L), tokens before padding.
        targets: The tokens that are asked for (B U, L), -100 elsewhere.
        summaries: What each utterance was read to (B U, H).
        states: The dialogues' states after each utterance (B, U, C).
        before: The dialogue's state before each utterance (B U, C).
        keys: A number for each utterance that tells it and all before it (B U,).
    """

    shape: tuple[int, int]
    tokens: Tensor
    targets: Tensor
    summaries: Tensor
    states: Tensor
    before: Tensor
    keys: Tensor

    @property
    def asked(self) -> Tensor:
        """Which utterances are asked for (B U,)."""
        return (self.targets != IGNORED).any(1)

    @property
    def hidden_states(self) -> tuple[Tensor, Tensor]:
        """Of the utterances (B, U, H), and of the dialogues after each (B, U, C)."""
        return self.by_dialogue(self.summaries), self.states

    def by_dialogue(self, values: Tensor) -> Tensor:
        """Values of the utterances (B U, ...) as (B, U, ...)."""
        return values.unflatten(0, self.shape)


class DialogueModel(RecurrentGenerationMixin, RecurrentNetwork):
    """Encoder, decoder and softmax; what the decoder is conditioned on is the family's own.

    Args:
        config: Sizes.
        condition_size: Numbers that the decoder is conditioned on.
    """

    config: DialogueConfig
    base_model_prefix = "dialogue"
    _tied_weights_keys = {"lm_head.weight": "encoder.embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: DialogueConfig, condition_size: int) -> None:
        super().__init__(config)
        self.encoder = DialogueEncoder(config)
        self.decoder = UtteranceDecoder(config, condition_size)
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(config.token_size, config.vocab_size)

    def get_input_embeddings(self) -> nn.Embedding:
        """The embeddings, of what is read and what is written."""
        return self.encoder.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the embeddings."""
        self.encoder.embeddings = value  # type: ignore[assignment]

    def generate(self, inputs: Tensor | None = None, *given: Any, **options: Any) -> Any:
        """Answer dialogues, as `GenerationMixin.generate` searches.

        Args:
            inputs: Tokens of dialogues (B, U, L), as `input_ids`.
            *given: What `GenerationMixin.generate` takes.
            **options: The same. It refuses masks of more than two dimensions, so that an ``attention_mask`` (B, U, L)
                is given to it as padding tokens and the mask of utterances.
        """
        mask, ids = options.get("attention_mask"), options.get("input_ids", inputs)
        if mask is not None and ids is not None and mask.ndim == 3:
            options["input_ids"] = ids.masked_fill(mask == 0, self.config.pad_token_id or 0)
            options["attention_mask"] = mask.amax(2)
            inputs = None
        return super().generate(inputs, *given, **options)  # type: ignore[misc]

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Dialogues of different lengths; every utterance but the first is asked for."""
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(4, self.config.vocab_size, (4, 3, 4), generator=generator)
        mask = torch.ones_like(ids)
        mask[:2, 2], mask[:, 1, 3:] = 0, 0
        labels = torch.where(mask.bool(), ids, IGNORED)
        labels[:, 0] = IGNORED
        return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}

    def read(self, input_ids: Tensor | None, attention_mask: Tensor | None, labels: Tensor | None) -> Utterances:
        """Read dialogues, and find what is asked for.

        Args:
            input_ids: Tokens (B, U, L).
            attention_mask: As `DialogueEncoder.token_mask` takes it.
            labels: The tokens that are asked for where they stand in `input_ids` (B, U, L), -100 elsewhere; by default
                all but those of each dialogue's first utterance.
        """
        if input_ids is None:
            raise ValueError("give input_ids, and decoder_input_ids with encoder_outputs")
        mask = self.encoder.token_mask(input_ids, attention_mask)
        spoken = mask.any(2)  # (B, U)
        if labels is None:
            labels = input_ids.masked_fill((spoken.cumsum(1) < 2)[..., None], IGNORED)
        tokens, inside = tokens_in_front(input_ids, mask)
        targets, _ = tokens_in_front(labels.masked_fill(~mask, IGNORED), mask)
        summaries = self.encoder.summaries(tokens, inside)
        states = self.encoder.contexts(summaries.unflatten(0, spoken.shape), spoken)
        return Utterances(
            shape=(spoken.shape[0], spoken.shape[1]),
            tokens=tokens,
            targets=targets,
            summaries=summaries,
            states=states,
            before=states_before(states, spoken).flatten(0, 1),
            keys=utterance_keys(tokens, inside, spoken),
        )

    def nats(self, utterances: Utterances, condition: Tensor) -> Tensor:
        """-log P of the tokens that are asked for, summed over each utterance.

        Args:
            utterances: N = B U of them.
            condition: What the decoder is conditioned on (N, K).

        Returns:
            float32 (N,), 0 for utterances that are not asked for.
        """
        given = self._drop_words(read_before(utterances.tokens, self.config))
        asked = utterances.targets != IGNORED
        places = torch.arange(1, asked.shape[1] + 1, device=asked.device)
        groups = groups_of_like_length((asked * places).amax(1))
        found = []
        for rows in groups:
            inside = trimmed(asked[rows])
            embedded = self.encoder.dropout(self.encoder.embeddings(given[rows, : inside.shape[1]]))
            hidden, _ = self.decoder(embedded, condition[rows], self.decoder.begin(condition[rows]))
            targets = utterances.targets[rows, : inside.shape[1]]
            found.append(self._sum_of_nats(hidden, targets, inside))
        return put_rows(torch.cat(found), torch.cat(groups), len(asked))

    def _sum_of_nats(self, hidden: Tensor, targets: Tensor, asked: Tensor) -> Tensor:
        """-log P (N,) of the targets (N, T) in the mask `asked` (N, T), for what goes to the softmax (N, T, E)."""
        if torch.compiler.is_compiling():  # how many are asked for must not change the graph
            logits = self.lm_head(self.dropout(hidden)).float()
            losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
            return losses.sum(1)
        logits = self.lm_head(self.dropout(hidden[asked])).float()  # no softmax over all tokens for padding
        losses = F.cross_entropy(logits, targets[asked], reduction="none")
        return losses.new_zeros(len(asked)).index_add(0, asked.nonzero()[:, 0], losses)

    def _drop_words(self, tokens: Tensor) -> Tensor:
        """What the decoder reads (N, T): in training some tokens as ``<unk>``, never the start."""
        if not self.training or self.config.word_dropout == 0:
            return tokens
        dropped = torch.rand(tokens.shape, device=tokens.device) < self.config.word_dropout
        dropped[:, 0] = False
        return tokens.masked_fill(dropped, self.config.unk_token_id)

    def dialogues_to_answer(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        encoder_outputs: BaseModelOutput | tuple[Tensor] | None,
        labels: Tensor | None,
        output_hidden_states: bool | None,
    ) -> BaseModelOutput | tuple[Tensor]:
        """The states (B, 1, C) of dialogues whose next utterance is written, read anew where the encoder gave none.

        Raises:
            ValueError: There are labels, which ask for the utterances of the dialogues themselves.
        """
        if labels is not None:
            raise ValueError("labels ask for the utterances of input_ids; leave decoder_input_ids out")
        if encoder_outputs is None:
            return self.encoder(input_ids, attention_mask, output_hidden_states=output_hidden_states)
        return encoder_outputs

    def write(
        self,
        decoder_input_ids: Tensor,
        condition: Tensor,
        past_key_values: RecurrentState | None,
        *,
        use_cache: bool | None,
        output_hidden_states: bool | None,
        encoder_outputs: Any,
    ) -> DialogueOutput:
        """Go on with an utterance.

        Args:
            decoder_input_ids: Tokens of it, the start token first (B, T); with a state those that come after it.
            condition: What the decoder is conditioned on (B, K).
            past_key_values: The state to go on from.
            use_cache: Give the state after the last token back.
            output_hidden_states: Give the decoder's hidden states back, and the encoder's where it gave them.
            encoder_outputs: What the encoder gave.

        Returns:
            ``logits`` (B, T, vocab_size), and with `use_cache` ``past_key_values``.
        """
        state = RecurrentState() if past_key_values is None else past_key_values
        begin = self.decoder.begin(condition) if state.tensors is None else state.tensors
        embedded = self.encoder.dropout(self.encoder.embeddings(decoder_input_ids))
        states: list[Tensor] | None = [] if output_hidden_states else None
        hidden, end = self.decoder(embedded, condition, begin, states)
        if use_cache:
            state.advance(end, decoder_input_ids.shape[1])
        hidden = self.dropout(hidden)
        return DialogueOutput(
            logits=self.lm_head(hidden),
            past_key_values=state if use_cache else None,
            encoder_hidden_states=getattr(encoder_outputs, "hidden_states", None) if output_hidden_states else None,
            decoder_hidden_states=None if states is None else (*states[:-1], hidden),
        )
