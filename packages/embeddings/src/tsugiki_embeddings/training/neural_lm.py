"""The neural language model that word vectors first came from (Bengio et al. 2003, A neural probabilistic language
model).

A word is predicted from its neighbours: their rows of the matrix E, side by side, go through a hidden layer of tanh to
a softmax over all words. Which neighbours is a choice: the four words before (a language model), four on either side,
or the nearest one alone. The less a context tells, the worse the prediction, and the vectors in E may be as good.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, MaskedLMOutput
from tsugiki.forward_options import forward_options
from tsugiki.token_rows import TokenRows

CONTEXTS: dict[str, tuple[int, ...]] = {  # where the neighbours stand, seen from the word
    "last_4": (-4, -3, -2, -1),
    "around_4": (-4, -3, -2, -1, 1, 2, 3, 4),
    "nearest_1": (-1,),
}


@strict
class NeuralLMConfig(PreTrainedConfig):
    """Sizes of a neural language model.

    Attributes:
        vocab_size: Words, the two special ones included.
        hidden_size: Numbers a word (m in the paper).
        context: Which neighbours a word is predicted from, as in `CONTEXTS`.
        intermediate_size: Units of the hidden layer (h); 0 for none, E straight to the softmax.
        direct: Whether the vectors go to the softmax past the hidden layer as well (W in the paper).
        pad_token_id: The word that stands before a text's first and after its last.
    """

    model_type = "tsugiki_neural_lm"

    vocab_size: int = 5000
    hidden_size: int = 100
    context: Literal["last_4", "around_4", "nearest_1"] = "last_4"
    intermediate_size: int = 100
    direct: bool = False
    pad_token_id: int | None = 0
    initializer_range: float | int = 0.1

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the neighbours stand, seen from the word."""
        return CONTEXTS[self.context]

    @property
    def context_width(self) -> int:
        """Numbers that describe a context."""
        return len(self.offsets) * self.hidden_size

    def validate_sizes(self) -> None:
        """Refuse a network without words, numbers or way through."""
        if self.vocab_size < 3 or self.hidden_size < 1 or self.intermediate_size < 0:
            raise ValueError(
                "vocab_size must be at least 3, hidden_size at least 1 and intermediate_size at least 0, not "
                f"{self.vocab_size}, {self.hidden_size} and {self.intermediate_size}."
            )
        if self.pad_token_id is None or not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id must be a word's number, not {self.pad_token_id}: texts need an end.")


class NeuralLMPreTrainedModel(TokenRows):
    """Weight initialisation and loading for the family."""

    config: NeuralLMConfig
    base_model_prefix = "neural_lm"
    main_input_name = "input_ids"
    _input_embed_layer = "embeddings"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """E small and normal, the layers by Glorot, their biases zero."""
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)


class NeuralLMModel(NeuralLMPreTrainedModel):
    """E and the hidden layer: what a word's neighbours say of it."""

    _keys_to_ignore_on_load_unexpected = [r"^output\.", r"^direct\."]  # noqa: RUF012

    def __init__(self, config: NeuralLMConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.hidden = nn.Linear(config.context_width, config.intermediate_size) if config.intermediate_size else None
        self.post_init()

    def contexts(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """The vectors of each word's neighbours side by side (B, L, neighbours * D), never the word's own."""
        pad = self.config.pad_token_id or 0
        if attention_mask is not None:
            input_ids = torch.where(attention_mask.bool(), input_ids, pad)
        reach = max(abs(offset) for offset in self.config.offsets)
        vectors = self.embeddings(F.pad(input_ids, (reach, reach), value=pad))  # (B, reach + L + reach, D)
        length = input_ids.shape[1]
        return torch.cat([vectors[:, reach + o : reach + o + length] for o in self.config.offsets], dim=-1)

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Describe every word of a text by its neighbours.

        Args:
            input_ids: Numbers of words, int64 (B, L).
            attention_mask: 1 for a word, 0 for padding (B, L), which counts as the end of the text.
            output_hidden_states: Return the neighbours' vectors as well; the config's value if `None`.

        Returns:
            ``last_hidden_state`` (B, L, H), the hidden layer where there is one, else the neighbours' vectors side by
            side; ``pooler_output`` (B, H), its mean over the words; ``hidden_states``: the neighbours' vectors side by
            side, and the hidden layer where there is one.
        """
        contexts = self.contexts(input_ids, attention_mask)
        hidden = self.describe(contexts)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = mask[..., None].to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden,
            pooler_output=mean,
            hidden_states=self.states(contexts, hidden) if output_hidden_states else None,
        )

    def states(self, contexts: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """Contexts, and what `describe` made of them where there is a hidden layer."""
        return (contexts,) if self.hidden is None else (contexts, hidden)

    def describe(self, contexts: Tensor) -> Tensor:
        """The hidden layer's answer to contexts (B, L, neighbours * D), (B, L, H)."""
        return contexts if self.hidden is None else torch.tanh(self.hidden(contexts))


class NeuralLMForWordPrediction(NeuralLMPreTrainedModel):
    """The whole network: the probability of every word at every place, given the neighbours."""

    def __init__(self, config: NeuralLMConfig) -> None:
        super().__init__(config)
        self.neural_lm = NeuralLMModel(config)
        self.output = nn.Linear(config.intermediate_size or config.context_width, config.vocab_size)
        has_way_past = config.direct and config.intermediate_size > 0
        self.direct = nn.Linear(config.context_width, config.vocab_size, bias=False) if has_way_past else None
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """The layer with a row for each word that may be predicted."""
        return self.output

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace it."""
        self.output = new_embeddings

    def resize_token_rows(self, size: int, mean_resizing: bool) -> None:
        """The way past the hidden layer has a row for each word as well."""
        if self.direct is not None:
            self.direct = self._get_resized_lm_head(self.direct, size, mean_resizing=mean_resizing)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """A batch with its labels, which are the words themselves."""
        generator = torch.Generator().manual_seed(0)
        words = torch.randint(self.config.vocab_size, (2, 12), generator=generator)
        return {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": words}

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> MaskedLMOutput:
        """Predict every word of a text from its neighbours.

        Args:
            input_ids: Numbers of words, int64 (B, L). A word is not seen where it is predicted.
            attention_mask: 1 for a word, 0 for padding (B, L), which counts as the end of the text.
            labels: The words to predict (B, L), as a rule `input_ids` with -100 where nothing is asked.
            output_hidden_states: Return the network's hidden states as well; the config's value if `None`.

        Returns:
            ``logits`` (B, L, vocab_size), and with labels as ``loss`` their mean cross entropy in nats.
        """
        contexts = self.neural_lm.contexts(input_ids, attention_mask)  # (B, L, neighbours * D)
        hidden = self.neural_lm.describe(contexts)
        logits = self.output(hidden)
        if self.direct is not None:
            logits = logits + self.direct(contexts)
        loss = None if labels is None else F.cross_entropy(logits.float().flatten(0, 1), labels.long().flatten())
        return MaskedLMOutput(
            loss=loss,
            logits=logits,
            hidden_states=self.neural_lm.states(contexts, hidden) if output_hidden_states else None,
        )
