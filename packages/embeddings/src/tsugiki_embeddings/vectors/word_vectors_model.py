"""Word vectors: one matrix with a row per word of a vocabulary, and how often each word was seen.

Whatever trained them (word2vec, GloVe, a neural language model), this is the network that holds them: it turns the
numbers of words into their vectors, and a text into the mean of its words' vectors.
"""

from typing import ClassVar

import numpy as np
import torch
from huggingface_hub.dataclasses import strict
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.forward_options import forward_options
from tsugiki.token_rows import TokenRows, resized_rows

from ..words.word_tokenizer import SPECIAL


@strict
class WordVectorsConfig(PreTrainedConfig):
    """Shape of a matrix of word vectors.

    Attributes:
        vocab_size: Rows, the two of padding and unknown words included.
        hidden_size: Numbers a word.
        pad_token_id: Row that fills texts up.
    """

    model_type = "tsugiki_word_vectors"

    vocab_size: int = 1000
    hidden_size: int = 100
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: object) -> None:
        super().__post_init__(**kwargs)
        if self.vocab_size <= SPECIAL or self.hidden_size < 1:
            raise ValueError(
                f"vocab_size must be more than {SPECIAL} and hidden_size at least 1, not {self.vocab_size} and "
                f"{self.hidden_size}"
            )


class WordTableModel(TokenRows):
    """A network that is a table of word vectors, `embeddings`, with `counts` of the words.

    Attributes:
        first_bound: Fresh vectors are uniform within so much over their width.
    """

    main_input_name = "input_ids"
    _input_embed_layer = "embeddings"
    first_bound: ClassVar[float]
    embeddings: nn.Embedding
    counts: Tensor

    def resize_token_rows(self, size: int, mean_resizing: bool) -> None:
        """Nobody has counted the new words."""
        self.counts = resized_rows(self.counts, size)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Uniform; the special rows are zero."""
        if isinstance(module, nn.Embedding):
            bound = self.first_bound / module.embedding_dim
            init.uniform_(module.weight, -bound, bound)
            loaded = getattr(module.weight, "_is_hf_initialized", False)
            if module is self.embeddings and not loaded:
                module.weight[:SPECIAL] = 0
        elif isinstance(module, WordTableModel):
            init.zeros_(module.counts)


class WordVectorsPreTrainedModel(WordTableModel):
    """Base of the networks of word vectors, which begin as in the C code of word2vec."""

    config_class = WordVectorsConfig
    base_model_prefix = "word_vectors"
    first_bound = 0.5


class WordVectorsModel(WordVectorsPreTrainedModel):
    """The vectors of words, and of a text their mean.

    Attributes:
        embeddings: The matrix (V, D). Rows 0 (padding) and 1 (unknown) are zero.
        counts: int64 (V,), how often each word occurred in the corpus; zero where nobody counted.
    """

    def __init__(self, config: WordVectorsConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.register_buffer("counts", torch.zeros(config.vocab_size, dtype=torch.int64))
        self.post_init()

    @torch.no_grad()
    def set_vectors(self, matrix: NDArray[np.floating], counts: NDArray[np.int64]) -> None:
        """Take over a matrix (V, D) and counts (V,); the rows of padding and unknown words become zero."""
        self.embeddings.weight.copy_(torch.from_numpy(np.asarray(matrix, np.float32)))
        self.embeddings.weight[:SPECIAL] = 0
        self.counts.copy_(torch.from_numpy(counts))

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Look words up.

        Args:
            input_ids: Numbers of words, int64 (B, L).
            attention_mask: 1 for a word, 0 for padding (B, L). Unknown words and padding count as nothing either way.
            output_hidden_states: Return the vectors of the words as well; the config's value if `None`.

        Returns:
            ``last_hidden_state`` (B, L, D), the vectors of the words; ``pooler_output`` (B, D), the mean over the known
            ones, zero where there is none; ``hidden_states``: the vectors alone, for there is no layer on them.
        """
        vectors = self.embeddings(input_ids)  # (B, L, D)
        known = input_ids >= SPECIAL
        if attention_mask is not None:
            known = known & attention_mask.bool()
        weights = known.to(vectors.dtype).unsqueeze(-1)  # (B, L, 1)
        mean = (vectors * weights).sum(1) / weights.sum(1).clamp(min=1)  # (B, D)
        return BaseModelOutputWithPooling(
            last_hidden_state=vectors, pooler_output=mean, hidden_states=(vectors,) if output_hidden_states else None
        )
