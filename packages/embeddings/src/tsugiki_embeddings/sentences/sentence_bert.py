"""Sentence-BERT: a BERT whose mean over the tokens is the vector of a text (Reimers and Gurevych 2019, section 3).

Texts that say the same have vectors that point the same way, so that one forward pass a text is enough to compare
thousands. The layers are BERT's, those of transformers; what is here is the mean and what stands on it.
"""

from typing import Any

from huggingface_hub.dataclasses import strict
from torch import Tensor
from transformers import BertConfig, BertModel, BertPreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier

from ..sentiment.word_inputs import word_mask


@strict
class SentenceBertConfig(ClassifierHeadConfig, BertConfig):
    """BERT's sizes and choices, and those of a classifier."""

    model_type = "tsugiki_sentence_bert"

    @property
    def dropout(self) -> float:
        """Share of the features silenced in training, before the classifier; without one of its own, BERT's."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout

    @property
    def num_features(self) -> int:
        """Numbers of a vector."""
        return self.hidden_size

    def validate_encoder(self) -> None:
        """Refuse a BERT that writes: what stands here reads a text as a whole."""
        if self.is_decoder or self.add_cross_attention:
            raise ValueError("is_decoder and add_cross_attention must be false: a sentence is read from both sides.")


class SentenceBertPreTrainedModel(BertPreTrainedModel):
    """Weight initialisation and loading for the family."""

    config: SentenceBertConfig
    config_class = SentenceBertConfig
    base_model_prefix = "sentence_bert"


class SentenceBertModel(SentenceBertPreTrainedModel, BertModel):
    """The network that makes a vector of a text."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]  # noqa: RUF012

    def __init__(self, config: SentenceBertConfig) -> None:
        super().__init__(config, add_pooling_layer=False)

    @forward_options
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
    ) -> BaseModelOutputWithPooling:
        """Make a vector of each text.

        Args:
            input_ids: Tokens `(B, L)`, L at most `max_position_embeddings`.
            attention_mask: 1 for tokens and 0 for padding `(B, L)`; by default all but `pad_token_id` are tokens.
            token_type_ids: 0 for tokens of a first text and 1 for those of a second `(B, L)`; by default all 0.
            output_hidden_states: Return what the embeddings and every layer give as well; the config's value if `None`.
            output_attentions: Return the attentions as well; the config's value if `None`.

        Returns:
            `last_hidden_state` `(B, L, D)`; `pooler_output` `(B, D)`, the mean over the tokens, whose cosines tell how
            alike texts are; `hidden_states`; `attentions`, each `(B, heads, L, L)`.

        Raises:
            ValueError: Tokens or mask have another shape.
        """
        mask = word_mask(input_ids, attention_mask, self.config.pad_token_id)
        outputs: Any = BertModel.forward(
            self,
            input_ids=input_ids,
            attention_mask=mask,
            token_type_ids=token_type_ids,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=True,
        )
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs.last_hidden_state,
            pooler_output=mean_of_tokens(outputs.last_hidden_state, mask),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class SentenceBertForSequenceClassification(TextClassifier, SentenceBertPreTrainedModel):
    """The network with a classifier on the mean over the tokens."""

    network_class = SentenceBertModel


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of states `(B, L, D)` over the tokens of a mask `(B, L)`: `(B, D)`, 0 for a row without any."""
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
