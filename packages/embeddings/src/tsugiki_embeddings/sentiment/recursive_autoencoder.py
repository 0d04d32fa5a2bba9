"""The semi-supervised recursive autoencoder (Socher, Pennington, Huang, Ng and Manning 2011, Semi-supervised recursive
autoencoders for predicting sentiment distributions).

Two vectors c1 and c2 become one of the same size, p = tanh(W [c1; c2] + b), scaled to length 1, from which they are
reconstructed as W' p + b'. Joining the best reconstructed neighbours again and again makes a tree of a sentence without
any parser. Two errors are minimised together at the inner nodes: that of the reconstruction, in which a child weighs as
much as it has words below it (equation 4), and the cross entropy of a softmax on p, which is told the label of the
sentence (equation 8): alpha E_rec + (1 - alpha) E_ce.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classification_loss import require_single_labels
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier

from .embedding_lstm import words_first
from .greedy_trees import grow_trees
from .tree_composition import children_of, compose
from .word_inputs import WordEmbeddings, WordInputsConfig, WordModel, word_mask


@strict
class RecursiveAutoencoderConfig(ClassifierHeadConfig, WordInputsConfig, PreTrainedConfig):
    """Sizes and choices; `hidden_size` is that of words and phrases alike."""

    model_type = "tsugiki_recursive_autoencoder"

    hidden_size: int = 50
    alpha: float | int = 0.2  # weight of the reconstruction beside the classification
    normalize: bool = True  # scale parents to length 1, or reconstruction errors are lowered by shrinking them
    pooling: Literal["root", "mean"] = "root"  # what a sentence is classified by: its root, or the mean of its phrases
    dropout: float | int = 0.0  # share of a vector silenced before the softmax in training; 0 in the paper

    @property
    def num_features(self) -> int:
        """Width of the vector that a text is classified by."""
        return self.hidden_size

    def validate_shares(self) -> None:
        """Refuse a weight beyond 0 to 1."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie between 0 and 1, not at {self.alpha}.")


@dataclass
class RecursiveAutoencoderOutput(BaseModelOutputWithPooling):
    """Vectors of all nodes, and the trees that they form.

    Attributes:
        left: Number of each node's left child (B, 2 L - 1), 0 where there is none; as `greedy_trees.grow_trees` says.
        right: Number of its right child (B, 2 L - 1).
        reconstruction_error: Of each node's children (B, 2 L - 1), 0 where there are none.
    """

    left: Tensor | None = None
    right: Tensor | None = None
    reconstruction_error: Tensor | None = None


class PairAutoencoder(nn.Module):
    """Makes one vector of two, and two of one."""

    def __init__(self, config: RecursiveAutoencoderConfig) -> None:
        super().__init__()
        self.encoder = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.decoder = nn.Linear(config.hidden_size, 2 * config.hidden_size)
        self.normalize = config.normalize

    def encode(self, children: Tensor) -> Tensor:
        """From two children side by side `(n, 2 D)` to their parents `(n, D)`."""
        parents = torch.tanh(self.encoder(children))
        return F.normalize(parents, dim=-1) if self.normalize else parents

    def error(self, children: Tensor, parents: Tensor, counts: Tensor) -> Tensor:
        """Half the squared distance of children `(…, 2 D)` and their reconstruction, `(…)`.

        The share of each is that of the words below it, `counts` `(…, 2)`.
        """
        squares = (self.decoder(parents) - children).square().unflatten(-1, (2, -1)).sum(-1)  # (…, 2)
        return (squares * counts).sum(-1) / counts.sum(-1) / 2

    def forward(self, children: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Parents `(n, D)` and errors `(n,)` of children `(n, 2 D)` with `counts` `(n, 2)` words."""
        parents = self.encode(children)
        return parents, self.error(children, parents, counts)


class RecursiveAutoencoderPreTrainedModel(WordModel):
    """Weight initialisation and loading for the family."""

    config: RecursiveAutoencoderConfig
    base_model_prefix = "recursive_autoencoder"

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Four texts of up to four words: a compiled graph has the steps of every join in it, and grows with them."""
        words = torch.arange(16).view(4, 4) * 7 % self.config.vocab_size
        lengths = torch.tensor([4, 3, 1, 2])
        mask = (torch.arange(4) < lengths[:, None]).long()
        return {"input_ids": words, "attention_mask": mask}


class RecursiveAutoencoderModel(RecursiveAutoencoderPreTrainedModel):
    """Grows the trees, and computes the vectors of their nodes."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: RecursiveAutoencoderConfig) -> None:
        super().__init__(config)
        self.words = WordEmbeddings(config)
        self.autoencoder = PairAutoencoder(config)
        self.post_init()

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> RecursiveAutoencoderOutput:
        """Fold texts.

        The choice of the trees takes no part in the gradient; given the trees, everything else does.

        Args:
            input_ids: Numbers of words `(B, L)`.
            attention_mask: 1 for words and 0 for padding `(B, L)`, which may stand anywhere; by default all but
                `pad_token_id` are words.
            output_hidden_states: Return the leaves before the folding as well; the config's value if `None`.

        Returns:
            `last_hidden_state`: the vectors of all nodes `(B, 2 L - 1, D)`, 0 where there is none; `pooler_output`: of
            the texts `(B, D)`, their roots' or the mean over their phrases'; `hidden_states`: the vectors of the
            leaves alone, and of all nodes; the trees and their errors.

        Raises:
            ValueError: Tokens or mask have another shape.
        """
        input_ids, mask = words_first(input_ids, word_mask(input_ids, attention_mask, self.config.pad_token_id))
        lengths = mask.sum(1)  # (B,)
        _, words = self.words(input_ids, mask)  # (B, L, D)
        with torch.no_grad():
            left, right = grow_trees(words.detach(), lengths, self.autoencoder)
        inner = left > 0  # (B, 2 L - 1)
        batch, length, size = words.shape
        leaves = torch.cat([words.new_zeros(batch, length - 1, size), words], dim=1)  # (B, 2 L - 1, D)
        states = compose(leaves, left, right, self.autoencoder.encode)
        ones = torch.ones_like(leaves[:, :, :1])
        counts = compose(ones, left, right, lambda below: below.sum(1, keepdim=True))  # words below each node
        below = children_of(states, left, right)  # (B, 2 L - 1, 2 D)
        errors = self.autoencoder.error(below, states, children_of(counts, left, right))
        root = (length - lengths).clamp(max=length - 1)[:, None, None].expand(-1, 1, size)
        pooled = states.gather(1, root)[:, 0]  # (B, D)
        if self.config.pooling == "mean":
            phrases = inner.sum(1, keepdim=True)
            mean = (states * inner[:, :, None]).sum(1) / phrases.clamp(min=1)
            pooled = torch.where(phrases > 0, mean, pooled)  # a single word has no phrase
        return RecursiveAutoencoderOutput(
            last_hidden_state=states,
            pooler_output=pooled,
            hidden_states=(leaves, states) if output_hidden_states else None,
            left=left,
            right=right,
            reconstruction_error=errors * inner,
        )


class RecursiveAutoencoderForSequenceClassification(TextClassifier, RecursiveAutoencoderPreTrainedModel):
    """The autoencoder with a softmax on every phrase."""

    network_class = RecursiveAutoencoderModel

    def loss(self, outputs: RecursiveAutoencoderOutput, logits: Tensor, labels: Tensor) -> Tensor:
        """alpha E_rec + (1 - alpha) E_ce, each the mean over all inner nodes of the batch.

        The text itself counts as one more phrase, so that single words and the mean over phrases learn as well.
        """
        require_single_labels(self.config, "the loss of recursive autoencoders")
        assert outputs.left is not None
        assert outputs.reconstruction_error is not None
        inner = torch.gt(outputs.left, 0)  # (B, M)
        phrases = self.classifier(self.dropout(outputs.last_hidden_state))  # (B, M, num_labels)
        told = torch.where(inner, labels[:, None], -100)  # (B, M)
        both = torch.cat([phrases.flatten(0, 1), logits]).float()
        entropy = F.cross_entropy(both, torch.cat([told.flatten(), labels]))
        reconstruction = outputs.reconstruction_error.float().sum() / inner.sum().clamp(min=1)
        return self.config.alpha * reconstruction + (1 - self.config.alpha) * entropy
