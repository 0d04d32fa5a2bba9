"""What networks over words share: the table of word vectors, its config fields, and the mask of what is a word."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init


@dataclass(kw_only=True, repr=False)
class WordInputsConfig:
    """The config fields of the word vectors. Inherit from it before `PreTrainedConfig`; `@strict` then checks it."""

    vocab_size: int = 1000  # V; a recipe takes it from its tokenizer
    hidden_size: int = 100  # D, numbers a word
    pad_token_id: int | None = 0
    unknown_token_id: int = 1  # stands for every word that the tokenizer does not know
    freeze_embeddings: bool = False  # leave the vectors as they were loaded; only what stands on them learns
    word_dropout: float | int = 0.0  # share of the words read as unknown in training (Iyyer et al. 2015, section 4.1)

    def validate_words(self) -> None:
        """Refuse a table without words."""
        for name in ("vocab_size", "hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not 0 <= self.unknown_token_id < self.vocab_size:
            raise ValueError(f"unknown_token_id must lie below vocab_size, not at {self.unknown_token_id}.")


class WordEmbeddings(nn.Module):
    """Looks word vectors up, and averages those of each text.

    Args:
        config: A config with the fields of `WordInputsConfig`.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.embeddings.weight.requires_grad_(not config.freeze_embeddings)
        self.unknown_token_id = config.unknown_token_id
        self.word_dropout = config.word_dropout

    def forward(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look up.

        Args:
            input_ids: Numbers of words (B, L).
            mask: Which of them are words, bool (B, L).

        Returns:
            The mean over the words (B, D), 0 for a text without any; and the vectors (B, L, D), 0 where there is none.
        """
        ids = drop_words(input_ids, self.word_dropout, self.unknown_token_id) if self.training else input_ids
        vectors = self.embeddings(ids) * mask[:, :, None]  # (B, L, D)
        return vectors.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), vectors


class WordModel(PreTrainedModel):
    """A model with `WordEmbeddings`, which its network keeps as `words`."""

    main_input_name = "input_ids"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Glorot and Bengio's for layers; word vectors of length about 1."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            initialize_embedding(module, std=1 / math.sqrt(self.config.hidden_size))

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word vectors (V, D)."""
        base: Any = getattr(self, self.base_model_prefix, self)
        return base.words.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put another table of word vectors in its place."""
        base: Any = getattr(self, self.base_model_prefix, self)
        base.words.embeddings = value


def drop_words(input_ids: Tensor, share: float, unknown: int) -> Tensor:
    """Words, a random share of which is made unknown.

    Args:
        input_ids: Numbers of words, of any shape; what is padding may be changed too.
        share: From 0 to 1.
        unknown: The number of the unknown word.
    """
    if share == 0:
        return input_ids
    return torch.where(torch.rand(input_ids.shape, device=input_ids.device) < share, unknown, input_ids)


def word_mask(input_ids: Tensor, attention_mask: Tensor | None, pad_token_id: int | None) -> Tensor:
    """Which tokens are words, bool (B, L): as the attention mask says, or without one all but padding.

    Raises:
        ValueError: The tokens or the mask are not (B, L).
    """
    if input_ids.ndim != 2 or (attention_mask is not None and attention_mask.shape != input_ids.shape):
        shape = None if attention_mask is None else tuple(attention_mask.shape)
        raise ValueError(
            f"input_ids and attention_mask must both be (B, L), not {tuple(input_ids.shape)} and {shape}: prepare "
            "texts with the tokenizer that belongs to this model."
        )
    if attention_mask is not None:
        return attention_mask.bool()
    return torch.ones_like(input_ids, dtype=torch.bool) if pad_token_id is None else input_ids != pad_token_id


@torch.no_grad()
def initialize_embedding(module: nn.Embedding, std: float) -> None:
    """Draw fresh word vectors; padding is 0."""
    init.normal_(module.weight, std=std)
    if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
        init.zeros_(module.weight[module.padding_idx])
