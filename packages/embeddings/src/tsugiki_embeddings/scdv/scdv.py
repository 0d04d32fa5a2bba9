"""SCDV: sparse composite document vectors (Mekala, Gupta, Paranjape and Karnick 2017, arXiv:1612.06778).

Word vectors v_w are clustered softly by a mixture of Gaussians, p(C_k | w). A word's vector in topic k is
p(C_k | w) v_w; the K of them side by side, times the word's inverse document frequency, are its word-topic vector. A
document is the sum of those of its words at length 1, in which everything nearer to zero than a threshold is zero.

The sum over words of idf_w p_w (outer) v_w is the matrix product P^T V of what the document's words have: the K D
numbers a word of the paper's word-topic vectors are never made. Cost: L (K + D) numbers gathered and L K D products for
a document of L words.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier
from tsugiki.token_rows import TokenRows, resized_rows


@strict
class SCDVConfig(ClassifierHeadConfig, PreTrainedConfig):
    """Sizes of the document vectors; the defaults are the paper's for 20 Newsgroups."""

    model_type = "tsugiki_scdv"

    vocab_size: int = 20000  # V, padding and unknown words included
    hidden_size: int = 200  # D, of a word vector
    num_clusters: int = 60  # K, Gaussians of the mixture
    sublinear_tf: bool = False  # a word that stands c times in a document counts 1 + ln c; in the paper c
    pad_token_id: int | None = 0

    @property
    def num_features(self) -> int:
        """K D, the numbers of a document's vector."""
        return self.num_clusters * self.hidden_size

    def validate_sizes(self) -> None:
        """Refuse a model without words, dimensions or clusters."""
        for name in ("vocab_size", "hidden_size", "num_clusters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")


def topic_sums(input_ids: Tensor, weights: Tensor, vectors: Tensor, clusters: Tensor) -> Tensor:
    """For each document the sum over its words of weight times p(C | w) (outer) v_w.

    Args:
        input_ids: Word numbers, int64 (B, L).
        weights: What each word counts (B, L); 0 for padding.
        vectors: Word vectors (V, D).
        clusters: p(C_k | w) (V, K).

    Returns:
        (B, K, D).
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # in a graph no size may hang on what the texts hold
        shares = F.embedding(input_ids, clusters) * weights[..., None]  # (B, L, K)
        return shares.transpose(1, 2) @ F.embedding(input_ids, vectors)
    # One product for each document: a batch of texts is mostly padding, up to a hundred times as much as there is text.
    counted = weights != 0
    words, lengths = input_ids[counted], counted.sum(1).tolist()  # (T,)
    shares = F.embedding(words, clusters) * weights[counted][:, None]  # (T, K)
    pairs = zip(shares.split(lengths), F.embedding(words, vectors).split(lengths), strict=True)
    return torch.stack([share.T @ vector for share, vector in pairs])


def shares_of_logarithm(input_ids: Tensor, attention_mask: Tensor, vocab_size: int) -> Tensor:
    """What each of the c places of a word in a document counts, that all of them come to 1 + ln c.

    Args:
        input_ids: Word numbers, int64 (B, L).
        attention_mask: 1 for words and 0 for padding (B, L).
        vocab_size: V.

    Returns:
        float32 (B, L).
    """
    ones = attention_mask.float()
    counts = ones.new_zeros(input_ids.shape[0], vocab_size).scatter_add(1, input_ids, ones)  # (B, V)
    own = counts.gather(1, input_ids).clamp(min=1)  # (B, L)
    return (1 + own.log()) / own


class SCDVPreTrainedModel(TokenRows):
    """Weight initialisation and loading for the family."""

    config: SCDVConfig
    base_model_prefix = "scdv"
    main_input_name = "input_ids"
    _input_embed_layer = "word_vectors"
    input_modalities = "text"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Random vectors and clusters, every word of equal weight, nothing cut off."""
        super()._init_weights(module)  # the classifier
        if isinstance(module, SCDVModel):
            init.normal_(module.word_vectors.weight)
            init.copy_(module.word_clusters.weight, torch.randn_like(module.word_clusters.weight).softmax(1))
            init.ones_(module.idf)
            init.zeros_(module.threshold)


class SCDVModel(SCDVPreTrainedModel):
    """Document vectors. Holds word vectors (V, D), p(C | w) (V, K), idf (V,) and the threshold."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012
    idf: Tensor
    threshold: Tensor

    def __init__(self, config: SCDVConfig) -> None:
        super().__init__(config)
        self.word_vectors = nn.Embedding(config.vocab_size, config.hidden_size)
        self.word_clusters = nn.Embedding(config.vocab_size, config.num_clusters)
        self.register_buffer("idf", torch.ones(config.vocab_size))
        self.register_buffer("threshold", torch.zeros(()))
        self.post_init()

    def resize_token_rows(self, size: int, mean_resizing: bool) -> None:
        """New words are in all topics as the mean of words is, and as rare as the rarest."""
        clusters, idf = self.word_clusters.weight, self.idf
        self.word_clusters.weight = nn.Parameter(
            resized_rows(clusters, size, clusters.mean(0)), requires_grad=clusters.requires_grad
        )
        self.word_clusters.num_embeddings = size
        self.idf = resized_rows(idf, size, idf.max())

    @torch.no_grad()
    def set_state(self, vectors: Tensor, clusters: Tensor, idf: Tensor, threshold: float) -> None:
        """Put fitted values in place.

        Args:
            vectors: (V, D); rows of zeros for padding and unknown words, which then count nothing.
            clusters: p(C_k | w) (V, K).
            idf: (V,).
            threshold: At least 0.

        Raises:
            ValueError: A shape is not that of the config, or a number is not finite.
        """
        tensors = {"vectors": self.word_vectors.weight, "clusters": self.word_clusters.weight, "idf": self.idf}
        for (name, tensor), values in zip(tensors.items(), (vectors, clusters, idf), strict=True):
            if values.shape != tensor.shape:
                raise ValueError(f"{name} must be {tuple(tensor.shape)}, not {tuple(values.shape)}.")
            if not torch.isfinite(values).all():
                raise ValueError(f"{name} holds numbers that are not finite.")
            tensor.copy_(values)
        if not 0 <= threshold < float("inf"):
            raise ValueError(f"threshold must be at least 0 and finite, not {threshold}.")
        self.threshold.fill_(threshold)

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Compute document vectors.

        Args:
            input_ids: Word numbers (B, L).
            attention_mask: 1 for words and 0 for padding (B, L); by default the padding token is left out.
            output_hidden_states: Return what the documents are made of as well; the config's value if `None`.

        Returns:
            `pooler_output` (B, K D): cluster after cluster, of length 1 before small values were set to 0. A document
            without known words is zero. `hidden_states`: the word vectors (B, L, D), and the documents of length 1
            with their small values (B, K D).
        """
        check_word_numbers(input_ids)
        if attention_mask is None:
            padding = self.config.pad_token_id
            attention_mask = torch.ones_like(input_ids) if padding is None else input_ids.ne(padding)
        weights = self.idf[input_ids] * attention_mask.to(self.idf.dtype)  # (B, L)
        if self.config.sublinear_tf:
            weights = weights * shares_of_logarithm(input_ids, attention_mask, self.config.vocab_size).to(weights)
        sums = topic_sums(input_ids, weights, self.word_vectors.weight, self.word_clusters.weight)  # (B, K, D)
        documents = F.normalize(sums.flatten(1), dim=1)
        small = documents.detach().abs() < self.threshold
        states = (self.word_vectors(input_ids), documents) if output_hidden_states else None
        return BaseModelOutputWithPooling(pooler_output=documents.masked_fill(small, 0.0), hidden_states=states)


class SCDVForSequenceClassification(TextClassifier, SCDVPreTrainedModel):
    """Document vectors with a classifier on them."""

    network_class = SCDVModel
    scdv: SCDVModel


def check_word_numbers(input_ids: Tensor) -> None:
    """Refuse anything but word numbers (B, L) with a ValueError."""
    if input_ids.ndim != 2:
        raise ValueError(f"input_ids must be (B, L), not {tuple(input_ids.shape)}: tokenise texts with padding=True.")
