"""fastText word vectors (Bojanowski et al. 2017): words that were never seen get vectors too, from their letters.

The vector of a known word is a row of a matrix: in fastText it is the mean of the word's own vector and those of its
n-grams, and that mean is what is stored. The vector of an unknown word is the mean of its n-grams' vectors, which lie
in buckets by the hash of the n-gram.

A tokenizer knows no letters of unknown words, so they reach the network beside its numbers: `FastTextModel.compose`
gives the vectors of words, `FastTextModel.subwords` the input for a text. `WordVectors`, the face for queries, asks
`compose` by itself.
"""

from collections.abc import Sequence

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.forward_options import forward_options

from ..words.subwords import subword_ids
from ..words.word_tokenizer import SPECIAL, UNKNOWN
from .word_vectors_model import WordTableModel

NO_BUCKET = -1  # fills the subwords of a batch up


@strict
class FastTextConfig(PreTrainedConfig):
    """Shape of fastText vectors.

    Attributes:
        vocab_size: Rows of the words' matrix, the two of padding and unknown words included.
        hidden_size: Numbers a word.
        num_buckets: Rows of the n-grams' matrix; n-grams with the same hash share one.
        min_n: Letters of the shortest n-grams, the marks of a word's ends included.
        max_n: Letters of the longest.
        pad_token_id: Row that fills texts up.
    """

    model_type = "tsugiki_fasttext"

    vocab_size: int = 1000
    hidden_size: int = 100
    num_buckets: int = 24_000  # the C++ has 2,000,000, far more than the n-grams of a small vocabulary
    min_n: int = 3
    max_n: int = 6
    pad_token_id: int | None = 0

    def validate_sizes(self) -> None:
        """Refuse sizes that hold no vectors."""
        if self.vocab_size <= SPECIAL or self.hidden_size < 1 or self.num_buckets < 1:
            raise ValueError(
                f"vocab_size must be more than {SPECIAL}, hidden_size and num_buckets at least 1, not "
                f"{self.vocab_size}, {self.hidden_size} and {self.num_buckets}."
            )
        if not 1 <= self.min_n <= self.max_n:
            raise ValueError(f"min_n must be at least 1 and at most max_n, not {self.min_n} to {self.max_n}.")


class FastTextPreTrainedModel(WordTableModel):
    """Weight initialisation, as in fastText, and loading for the family."""

    config: FastTextConfig
    base_model_prefix = "fasttext"
    first_bound = 1.0


class FastTextModel(FastTextPreTrainedModel):
    """The vectors of known words and of n-grams, and of a text the mean of its words.

    Attributes:
        embeddings: Vectors of the known words (V, D), their n-grams in them. Rows 0 (padding) and 1 (unknown) are zero.
        buckets: Vectors of the n-grams by hash (num_buckets, D).
        counts: int64 (V,), how often each word occurred in the corpus; zero where nobody counted.
    """

    def __init__(self, config: FastTextConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.buckets = nn.Embedding(config.num_buckets, config.hidden_size)
        self.register_buffer("counts", torch.zeros(config.vocab_size, dtype=torch.int64))
        self.post_init()

    def subword_ids(self, word: str) -> list[int]:
        """Buckets of a word's n-grams, by the config's sizes."""
        config = self.config
        return subword_ids(word, num_buckets=config.num_buckets, min_n=config.min_n, max_n=config.max_n)

    def vector(self, word: str) -> Tensor:
        """The vector of a word that is not in the vocabulary (D,); see `compose`."""
        return self.compose([word])[0]

    def compose(self, words: Sequence[str]) -> Tensor:
        """The vectors of words from their n-grams alone (N, D), as unknown words have them.

        A word too short to have an n-gram has the vector zero.
        """
        weight = self.buckets.weight
        vectors = weight.new_zeros(len(words), self.config.hidden_size)
        for row, word in enumerate(words):
            if ids := self.subword_ids(word):
                vectors[row] = weight[torch.tensor(ids, device=weight.device)].mean(0)
        return vectors

    def subwords(self, texts: Sequence[Sequence[str]], input_ids: Tensor) -> Tensor:
        """What `forward` takes beside the numbers: buckets of the n-grams of the unknown words.

        Args:
            texts: The words of each text, as the tokenizer parts them (B rows of at most L).
            input_ids: Their numbers (B, L), padded at the end.

        Returns:
            int64 (B, L, N), N the most n-grams of a word; -1 where there is none, and at every known word.
        """
        found = [
            [self.subword_ids(word) if number == UNKNOWN else [] for word, number in zip(words, numbers, strict=False)]
            for words, numbers in zip(texts, input_ids.tolist(), strict=True)
        ]
        longest = max((len(ids) for row in found for ids in row), default=0)
        filled = torch.full((*input_ids.shape, max(1, longest)), NO_BUCKET, dtype=torch.int64)
        for row, words in enumerate(found):
            for place, ids in enumerate(words):
                filled[row, place, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
        return filled.to(input_ids.device)

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        subword_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPooling:
        """Look words up.

        Args:
            input_ids: Numbers of words, int64 (B, L).
            attention_mask: 1 for a word, 0 for padding (B, L).
            subword_ids: Buckets of the unknown words' n-grams (B, L, N), as `subwords` makes them; without them unknown
                words are zero and count as nothing.
            output_hidden_states: Return the vectors of the words as well; the config's value if `None`.

        Returns:
            ``last_hidden_state`` (B, L, D), the vectors of the words; ``pooler_output`` (B, D), the mean over the words
            that have one, zero where there is none; ``hidden_states``: the vectors alone, as no layer follows.
        """
        vectors = self.embeddings(input_ids)  # (B, L, D)
        counted = input_ids >= SPECIAL
        if subword_ids is not None:
            real = (subword_ids != NO_BUCKET) & (input_ids == UNKNOWN)[..., None]  # (B, L, N)
            pieces = self.buckets(subword_ids.clamp(min=0)) * real[..., None].to(vectors.dtype)  # (B, L, N, D)
            vectors = vectors + pieces.sum(2) / real.sum(2, keepdim=True).clamp(min=1).to(vectors.dtype)
            counted = counted | real.any(2)
        if attention_mask is not None:
            counted = counted & attention_mask.bool()
        weights = counted[..., None].to(vectors.dtype)  # (B, L, 1)
        mean = (vectors * weights).sum(1) / weights.sum(1).clamp(min=1)  # (B, D)
        return BaseModelOutputWithPooling(
            last_hidden_state=vectors, pooler_output=mean, hidden_states=(vectors,) if output_hidden_states else None
        )
