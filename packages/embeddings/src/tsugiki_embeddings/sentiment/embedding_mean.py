"""The mean of word embeddings as a classifier of texts.

A text is the mean of its words' vectors, on which a classifier stands, by choice with hidden layers between (the deep
averaging network of Iyyer, Manjunatha, Boyd-Graber and Daume 2015, Deep unordered composition rivals syntactic methods
for text classification). The order of the words is lost: to this network "not good, but bad" and "not bad, but good"
are the same text, and three times "good" outweighs the one "lacking" before it.
"""

import itertools
from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier

from .word_inputs import WordEmbeddings, WordInputsConfig, WordModel, word_mask


@strict
class EmbeddingMeanConfig(ClassifierHeadConfig, WordInputsConfig, PreTrainedConfig):
    """Sizes and choices; by default a linear classifier on the mean."""

    model_type = "tsugiki_embedding_mean"

    layer_sizes: list[int] | tuple[int, ...] = ()  # units of hidden layers between the mean and the classifier
    activation: Literal["relu", "tanh"] = "relu"  # of the hidden layers
    dropout: float | int = 0.0  # share of the features silenced in training, before every layer

    @property
    def num_features(self) -> int:
        """Width of the pooled features."""
        return self.layer_sizes[-1] if self.layer_sizes else self.hidden_size

    def validate_layers(self) -> None:
        """Refuse layers without units."""
        if self.layer_sizes and min(self.layer_sizes) < 1:
            raise ValueError(f"layer_sizes must be positive numbers, not {self.layer_sizes}.")


class AveragingLayer(nn.Module):
    """Dropout, a linear layer and an activation."""

    def __init__(self, config: EmbeddingMeanConfig, in_features: int, units: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(in_features, units)
        self.activation = nn.ReLU() if config.activation == "relu" else nn.Tanh()

    def forward(self, features: Tensor) -> Tensor:
        """From `(B, in_features)` to `(B, units)`."""
        return self.activation(self.linear(self.dropout(features)))


class EmbeddingMeanPreTrainedModel(WordModel):
    """Weight initialisation and loading for the family."""

    config: EmbeddingMeanConfig
    base_model_prefix = "embedding_mean"


class EmbeddingMeanModel(EmbeddingMeanPreTrainedModel):
    """The network below the classifier."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: EmbeddingMeanConfig) -> None:
        super().__init__(config)
        self.words = WordEmbeddings(config)
        sizes = [config.hidden_size, *config.layer_sizes]
        self.hidden_layers = nn.ModuleList(
            AveragingLayer(config, before, units) for before, units in itertools.pairwise(sizes)
        )
        self.post_init()

    @forward_options
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> BaseModelOutputWithPooling:
        """Average word vectors.

        Args:
            input_ids: Numbers of words `(B, L)`.
            attention_mask: 1 for words and 0 for padding `(B, L)`; by default all but `pad_token_id` are words.
            output_hidden_states: Return what every layer gives as well; the config's value if `None`.

        Returns:
            `last_hidden_state`: the word vectors `(B, L, D)`, 0 at padding; `pooler_output`: the features of the text,
            their mean after the hidden layers `(B, num_features)`; `hidden_states`: the word vectors, their mean
            `(B, D)` and what each hidden layer makes of it.

        Raises:
            ValueError: Tokens or mask have another shape.
        """
        mask = word_mask(input_ids, attention_mask, self.config.pad_token_id)
        features, vectors = self.words(input_ids, mask)
        states = [vectors, features]
        for layer in self.hidden_layers:
            features = layer(features)
            states.append(features)
        return BaseModelOutputWithPooling(
            last_hidden_state=vectors,
            pooler_output=features,
            hidden_states=tuple(states) if output_hidden_states else None,
        )


class EmbeddingMeanForSequenceClassification(TextClassifier, EmbeddingMeanPreTrainedModel):
    """The network with a classifier on the mean."""

    network_class = EmbeddingMeanModel
