"""Classifiers of recordings, clips and texts, each a layer or two."""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    ImageClassifierOutputWithNoAttention,
    SequenceClassifierOutput,
)
from tsugiki.classification_loss import classification_loss
from tsugiki.classifier_head import ClassifierHeadConfig, classifier_head
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier


@strict
class TonesConfig(ClassifierHeadConfig, PreTrainedConfig):
    model_type = "tsugiki_tones"

    num_samples: int = 64


@strict
class ClipsConfig(ClassifierHeadConfig, PreTrainedConfig):
    model_type = "tsugiki_clips"

    num_frames: int = 3
    image_size: int = 6


@strict
class WordsConfig(ClassifierHeadConfig, PreTrainedConfig):
    model_type = "tsugiki_words"

    vocab_size: int = 5
    num_features: int = 4


class LinearClassifier(PreTrainedModel):
    def __init__(self, config: Any, inputs: int) -> None:
        super().__init__(config)
        self.classifier = classifier_head(config, inputs)
        self.post_init()


class TonesForAudioClassification(LinearClassifier):
    config_class = TonesConfig
    main_input_name = "input_values"

    def __init__(self, config: TonesConfig) -> None:
        super().__init__(config, config.num_samples)

    @forward_options
    def forward(self, input_values: Tensor, labels: Tensor | None = None) -> SequenceClassifierOutput:
        logits = self.classifier(input_values)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class ClipsForVideoClassification(LinearClassifier):
    config_class = ClipsConfig
    main_input_name = "pixel_values"

    def __init__(self, config: ClipsConfig) -> None:
        super().__init__(config, config.num_frames * config.image_size**2)

    @forward_options
    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ImageClassifierOutputWithNoAttention:
        logits = self.classifier(pixel_values.flatten(1))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits)


class WordsPreTrainedModel(PreTrainedModel):
    config_class = WordsConfig
    base_model_prefix = "words"
    main_input_name = "input_ids"


class WordsModel(WordsPreTrainedModel):
    def __init__(self, config: WordsConfig) -> None:
        super().__init__(config)
        self.vectors = nn.Embedding(config.vocab_size, config.num_features)
        self.post_init()

    @forward_options
    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> BaseModelOutputWithPooling:
        vectors = self.vectors(input_ids)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        mean = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return BaseModelOutputWithPooling(last_hidden_state=vectors, pooler_output=mean)


class WordsForSequenceClassification(TextClassifier, WordsPreTrainedModel):
    network_class = WordsModel
