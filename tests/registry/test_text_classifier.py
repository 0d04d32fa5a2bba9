"""The classifier of texts on a network that the core has never seen."""

import pytest
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from tsugiki.classifier_head import ClassifierHeadConfig
from tsugiki.forward_options import forward_options
from tsugiki.text_classifier import TextClassifier


@strict
class CountedConfig(ClassifierHeadConfig, PreTrainedConfig):
    model_type = "counted_words"

    vocab_size: int = 7
    dropout: float | int = 0.0

    @property
    def num_features(self) -> int:
        return 5


class CountedPreTrainedModel(PreTrainedModel):
    config: CountedConfig
    config_class = CountedConfig
    base_model_prefix = "counted"
    main_input_name = "input_ids"


class CountedModel(CountedPreTrainedModel):
    def __init__(self, config: CountedConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.num_features)
        self.post_init()

    @forward_options
    def forward(self, input_ids, attention_mask=None):
        vectors = self.words(input_ids)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return BaseModelOutputWithPooling(last_hidden_state=vectors, pooler_output=(vectors * mask[..., None]).sum(1))


class CountedForSequenceClassification(TextClassifier, CountedPreTrainedModel):
    network_class = CountedModel


class LastWordForSequenceClassification(CountedForSequenceClassification):
    def features(self, outputs, input_ids, attention_mask):
        return outputs.last_hidden_state[:, -1]

    def loss(self, outputs, logits, labels):
        return super().loss(outputs, logits, labels) + 1


IDS, MASK, LABELS = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]]), torch.tensor([2, -100])


def fresh(model_class=CountedForSequenceClassification, **config):
    torch.manual_seed(0)
    return model_class(CountedConfig(num_labels=3, **config))


def test_logits_are_the_head_on_the_network_s_features():
    model = fresh(classifier="mlp").eval()
    features = CountedModel.forward(model.counted, IDS, MASK).pooler_output
    output = model(IDS, MASK)
    assert output.loss is None
    torch.testing.assert_close(output.logits, model.classifier(features))


def test_loss_is_the_mean_cross_entropy_of_rows_with_a_label():
    output = fresh()(IDS, MASK, labels=LABELS)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits[:1], LABELS[:1]))
    assert isinstance(fresh()(IDS, MASK, LABELS, return_dict=False), tuple)


def test_a_family_may_see_other_features_and_lower_another_loss():
    model = fresh(LastWordForSequenceClassification)
    output = model(IDS, labels=LABELS)
    torch.testing.assert_close(output.logits, model.classifier(model.counted.words(IDS[:, -1])))
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits[:1], LABELS[:1]) + 1)


@pytest.mark.parametrize("dropout", [0.0, 0.9])
def test_features_are_dropped_in_training_alone(dropout):
    model = fresh(dropout=dropout)
    expected = model.eval()(IDS, MASK).logits
    assert torch.equal(model.eval()(IDS, MASK).logits, expected)
    assert torch.equal(model.train()(IDS, MASK).logits, expected) == (dropout == 0)
