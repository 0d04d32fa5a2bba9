"""The recursive neural tensor network (Socher et al. 2013, Recursive deep models for semantic compositionality over a
sentiment treebank).

Every node of a binary parse tree has a vector of the same size d: a leaf that of its word, an inner node one composed
of its two children's. With those side by side as h = [b; c] (2 d), the parent is

    p = tanh(h^T V h + W h + w)      h^T V h: a number for each slice V[k] (2 d, 2 d) of the tensor, k = 1 … d

so that each child scales the other (section 4.3, equation 1, with a bias w). A softmax on the vector of every node
classifies its phrase. Without V this is the plain recursive network of section 4.1.
"""

import math

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, TokenClassifierOutput
from tsugiki.classification_loss import place_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options

from .parse_trees import IGNORED
from .tree_composition import compose
from .word_inputs import WordEmbeddings, WordInputsConfig, WordModel, initialize_embedding


@strict
class RNTNConfig(ClassifierHeadConfig, WordInputsConfig, PreTrainedConfig):
    """Sizes and choices; `hidden_size` is the paper's d."""

    model_type = "tsugiki_rntn"

    hidden_size: int = 25  # of words and phrases alike; the paper's best lay between 25 and 35
    tensor: bool = True  # whether there is a V
    dropout: float | int = 0.0  # share of a node's vector silenced before the softmax in training; 0 in the paper
    initializer_range: float | int = 0.1  # deviation of fresh word vectors; the paper's are nearly 0

    def validate_rntn(self) -> None:
        """Refuse word vectors without length."""
        if self.initializer_range <= 0:
            raise ValueError(f"initializer_range must be above 0, not {self.initializer_range}.")


class ParentLayer(nn.Linear):
    """W and w: the parent of two children side by side without their product, `(n, 2 d)` to `(n, d)`."""


class TensorComposition(nn.Module):
    """From the vectors of two children to that of their parent."""

    def __init__(self, config: RNTNConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.linear = ParentLayer(2 * size, size)
        self.tensor = nn.Parameter(torch.empty(size, 2 * size, 2 * size)) if config.tensor else None  # V

    def forward(self, children: Tensor) -> Tensor:
        """From both children side by side `(n, 2 d)` to `(n, d)`."""
        total = self.linear(children)
        if self.tensor is not None:
            slices, width, _ = self.tensor.shape
            halfway = (children @ self.tensor.reshape(slices * width, width).T).view(-1, slices, width)  # V[k] h
            total = total + (halfway @ children[:, :, None])[:, :, 0]  # h^T V[k] h
        return torch.tanh(total)


class RNTNPreTrainedModel(WordModel):
    """Weight initialisation and loading for the family."""

    config: RNTNConfig
    base_model_prefix = "rntn"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """A parent begins near the mean of its children, and the tensor small."""
        size = self.config.hidden_size
        if isinstance(module, ParentLayer):
            half = torch.eye(size, device=module.weight.device) / 2
            noise = init.uniform_(torch.empty_like(module.weight), -1, 1) / (4 * math.sqrt(size))
            init.copy_(module.weight, torch.cat([half, half], dim=1) + noise)
            init.zeros_(module.bias)
        elif isinstance(module, TensorComposition):
            if module.tensor is not None:
                init.uniform_(module.tensor, -1 / (4 * size), 1 / (4 * size))
        elif isinstance(module, nn.Embedding):
            initialize_embedding(module, std=self.config.initializer_range)
        elif isinstance(module, nn.Linear):  # of the classifier
            bound = 1 / math.sqrt(module.in_features)
            init.uniform_(module.weight, -bound, bound)
            init.zeros_(module.bias)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Two trees of four words and one of two, with labels of their nodes, the same for the same phrase."""
        word, left, right = 2 % self.config.vocab_size, [1, 2, 0, 0, 5, 0, 0], [4, 3, 0, 0, 6, 0, 0]
        last = (self.config.num_labels or 2) - 1  # of the word, and of every pair
        return {
            "input_ids": torch.tensor(
                [[0, 0, 1, word, 0, 1, 1], [0, 0, word, 1, 0, 1, word], [0, word, 1, 0, 0, 0, 0]]
            ),
            "left": torch.tensor([left, left, [1, *[0] * 6]]),
            "right": torch.tensor([right, right, [2, *[0] * 6]]),
            "labels": torch.tensor(
                [[0, last, 0, last, last, 0, 0], [0, last, last, 0, last, 0, last], [last, last, 0, *[IGNORED] * 4]]
            ),
        }


class RNTNModel(RNTNPreTrainedModel):
    """The vectors of all nodes."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: RNTNConfig) -> None:
        super().__init__(config)
        self.words = WordEmbeddings(config)
        self.composition = TensorComposition(config)
        self.post_init()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """As of the classifier, without labels."""
        return {name: value for name, value in super().dummy_inputs.items() if name != "labels"}

    @forward_options
    def forward(
        self, input_ids: Tensor, left: Tensor, right: Tensor, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Compute the vectors of all nodes of some trees.

        Args:
            input_ids: Numbers of the words at leaves, `pad_token_id` elsewhere `(B, M)`.
            left: Number of each node's left child, 0 where there is none `(B, M)`; as `parse_trees.tree_columns` gives.
            right: Number of its right child `(B, M)`.
            output_hidden_states: Return the leaves before the composition as well; the config's value if `None`.

        Returns:
            `last_hidden_state`: the vectors of the nodes `(B, M, d)`; `pooler_output`: those of the roots `(B, d)`;
            `hidden_states`: the vectors of the leaves alone, and of all nodes.

        Raises:
            ValueError: The columns have different shapes.
        """
        check_trees(input_ids, left, right)
        _, leaves = self.words(input_ids, left == 0)  # (B, M, d)
        states = compose(leaves, left, right, self.composition)
        return BaseModelOutputWithPooling(
            last_hidden_state=states,
            pooler_output=states[:, 0],
            hidden_states=(leaves, states) if output_hidden_states else None,
        )


class RNTNForTreeClassification(RNTNPreTrainedModel):
    """The network with a softmax at every node."""

    def __init__(self, config: RNTNConfig) -> None:
        super().__init__(config)
        self.rntn = RNTNModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = classifier_head(config, config.hidden_size)
        self.post_init()

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        left: Tensor,
        right: Tensor,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
    ) -> TokenClassifierOutput:
        """Classify every phrase of some trees.

        Args:
            input_ids: Numbers of the words at leaves, `pad_token_id` elsewhere `(B, M)`.
            left: Number of each node's left child, 0 where there is none `(B, M)`.
            right: Number of its right child `(B, M)`.
            labels: Class of each node `(B, M)`, -100 where there is none. With them the output holds the mean cross
                entropy over the nodes that have one.
            output_hidden_states: Return the network's hidden states as well; the config's value if `None`.

        Returns:
            `logits` `(B, M, num_labels)`, those of the sentence at node 0, and `loss` and `hidden_states`
            where asked for.
        """
        outputs = self.rntn(input_ids, left, right, output_hidden_states=output_hidden_states, return_dict=True)
        logits = self.classifier(self.dropout(outputs.last_hidden_state))
        loss = None if labels is None else place_loss(logits, labels, self.config)
        return TokenClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


def check_trees(input_ids: Tensor, left: Tensor, right: Tensor) -> None:
    """Refuse columns that are not all (B, M) with a ValueError."""
    if input_ids.ndim != 2 or not input_ids.shape == left.shape == right.shape:
        shapes = ", ".join(str(tuple(column.shape)) for column in (input_ids, left, right))
        raise ValueError(
            f"input_ids, left and right must all be (B, M), not {shapes}: make them with parse_trees.tree_columns."
        )
