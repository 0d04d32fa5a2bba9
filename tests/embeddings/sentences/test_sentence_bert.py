from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tsugiki_embeddings.sentences.sentence_bert import (
    SentenceBertConfig,
    SentenceBertForSequenceClassification,
    SentenceBertModel,
)

SMALL = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 20,
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SentenceBertModel(SentenceBertConfig(**SMALL)).eval()


def test_parameters_are_counted_as_in_the_paper_of_bert():
    # Devlin et al. 2019: embeddings, and per layer four square matrices, two of the feed-forward part, norms and biases
    words, width, layers, inner, places, kinds = 30_522, 384, 6, 1536, 512, 2
    embeddings = (words + places + kinds) * width + 2 * width
    layer = 4 * (width * width + width) + (width * inner + inner) + (inner * width + width) + 4 * width
    with torch.device("meta"):
        config = SentenceBertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        model = SentenceBertModel(config)
    assert model.num_parameters() == embeddings + layers * layer == 22_565_376


def test_a_vector_is_the_mean_over_the_tokens(model):
    ids = torch.tensor([[2, 7, 9, 3], [2, 5, 3, 0]])
    mask = (ids != 0).long()
    outputs = model(ids, mask)
    by_hand = torch.stack([outputs.last_hidden_state[0].mean(0), outputs.last_hidden_state[1, :3].mean(0)])
    torch.testing.assert_close(outputs.pooler_output, by_hand)
    torch.testing.assert_close(model(ids).pooler_output, outputs.pooler_output)  # padding is seen without a mask


def test_padding_changes_nothing(model):
    ids = torch.tensor([[2, 7, 9, 3]])
    wide = torch.cat([ids, torch.zeros(1, 5, dtype=torch.long)], dim=1)
    found = model(wide, (wide != 0).long()).pooler_output
    torch.testing.assert_close(found, model(ids).pooler_output)


def test_a_classifier_sees_the_mean_as_it_is(model):
    config = SentenceBertConfig(**SMALL, num_labels=3)
    network = SentenceBertForSequenceClassification(config).eval()
    ids = torch.tensor([[2, 7, 9, 3]])
    states = network.sentence_bert(ids).last_hidden_state
    torch.testing.assert_close(network(ids).logits, network.classifier(states.mean(1)))
    assert network(ids, labels=torch.tensor([1])).loss.requires_grad
    assert len(network(ids, output_hidden_states=True).hidden_states) == 3


def test_the_classifiers_dropout_is_berts_unless_it_has_one():
    assert SentenceBertConfig(**SMALL, hidden_dropout_prob=0.3).dropout == 0.3
    assert SentenceBertConfig(**SMALL, classifier_dropout=0.0).dropout == 0.0


def test_a_bert_that_writes_is_refused():
    with pytest.raises(StrictDataclassClassValidationError, match="read from both sides"):
        SentenceBertConfig(**SMALL, is_decoder=True)
