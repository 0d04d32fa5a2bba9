from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch import nn
from tsugiki.testing import check_family
from tsugiki_embeddings.sentiment.embedding_lstm import (
    EmbeddingLSTMConfig,
    EmbeddingLSTMForSequenceClassification,
    turn_round,
    words_first,
)

CHOICES = [
    {"num_layers": layers, "bidirectional": both, "pooling": pooling}
    for layers in (1, 2)
    for both in (False, True)
    for pooling in ("last", "mean", "max")
]


def small(**fields) -> EmbeddingLSTMForSequenceClassification:
    torch.manual_seed(0)
    config = {"vocab_size": 12, "hidden_size": 4, "lstm_size": 3, "num_labels": 2, **fields}
    return EmbeddingLSTMForSequenceClassification(EmbeddingLSTMConfig(**config)).eval()


def torch_lstm(model: EmbeddingLSTMForSequenceClassification) -> nn.LSTM:
    """torch's own network with the same weights."""
    config = model.config
    reference = nn.LSTM(
        config.hidden_size,
        config.lstm_size,
        num_layers=config.num_layers,
        bidirectional=config.bidirectional,
        batch_first=True,
    )
    weights = {}
    for number, layer in enumerate(model.embedding_lstm.layers):
        for end, direction in (("", layer.forwards), ("_reverse", layer.backwards)):
            if direction is not None:
                for name, value in direction.state_dict().items():
                    weights[name.replace("_l0", f"_l{number}{end}")] = value
    reference.load_state_dict(weights)
    return reference


@pytest.mark.parametrize("choices", CHOICES)
def test_features_are_those_of_torch_one_text_at_a_time(choices):
    model = small(**choices)
    reference = torch_lstm(model)
    texts = [[3, 4, 5, 6, 7], [8], [9, 2, 1]]
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    found = model.embedding_lstm(padded, (padded > 0).long())
    for row, text in enumerate(texts):
        states, (final, _) = reference(model.get_input_embeddings()(torch.tensor([text])))
        directions = 2 if choices["bidirectional"] else 1
        expected = {
            "last": torch.cat(list(final[-directions:]), dim=1),
            "mean": states.mean(1),
            "max": states.amax(1),
        }[choices["pooling"]]
        torch.testing.assert_close(found.pooler_output[row], expected[0])
        torch.testing.assert_close(found.last_hidden_state[row, : len(text)], states[0])
        assert found.last_hidden_state[row, len(text) :].abs().sum() == 0


@pytest.mark.parametrize("choices", CHOICES)
def test_padding_changes_nothing_wherever_it_stands(choices):
    model = small(**choices)
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = 7.0
    text = torch.tensor([[2, 3, 4], [5, 6, 7]])
    expected = model(text).logits
    for sides in ((0, 4), (4, 0), (2, 1)):
        torch.testing.assert_close(model(torch.nn.functional.pad(text, sides, value=0)).logits, expected)


def test_gradients_are_those_of_torch():
    model = small(num_layers=2, bidirectional=True)
    reference = torch_lstm(model)
    text = torch.tensor([[2, 3, 4, 5]])
    _, (final, _) = reference(model.get_input_embeddings()(text).detach())
    torch.cat(list(final[-2:]), dim=1).square().sum().backward()
    model.embedding_lstm(text).pooler_output.square().sum().backward()
    for number, layer in enumerate(model.embedding_lstm.layers):
        for end, direction in (("", layer.forwards), ("_reverse", layer.backwards)):
            for name, value in direction.named_parameters():
                expected = getattr(reference, name.replace("_l0", f"_l{number}{end}")).grad
                torch.testing.assert_close(value.grad, expected)


def test_texts_without_a_single_word_become_one_place_of_padding():
    ids, mask = words_first(torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool))
    assert (ids.dtype, ids.tolist(), mask.tolist()) == (torch.int64, [[0], [0]], [[False], [False]])


def test_a_text_without_words_has_features_of_zero():
    for pooling in ("last", "mean", "max"):
        model = small(pooling=pooling, bidirectional=True)
        assert model.embedding_lstm(torch.zeros(1, 3, dtype=torch.long)).pooler_output.abs().sum() == 0


def test_forget_gates_begin_open():
    layer = small().embedding_lstm.layers[0].forwards
    gates = (layer.bias_ih_l0 + layer.bias_hh_l0).view(4, -1)
    assert torch.equal(gates, torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].expand(4, 3))


def test_words_come_first_in_their_order():
    ids, mask = words_first(
        torch.tensor([[0, 5, 0, 6, 7], [8, 0, 0, 0, 0]]), torch.tensor([[0, 1, 0, 1, 1], [1] + [0] * 4]).bool()
    )
    assert ids[0, :3].tolist() == [5, 6, 7] and ids[1, 0] == 8
    assert mask.tolist() == [[True, True, True, False, False], [True] + [False] * 4]


def test_only_the_words_are_turned_round():
    series = torch.arange(8.0).view(2, 4, 1)
    turned = turn_round(series, torch.tensor([3, 4]))[:, :, 0]
    assert turned.tolist() == [[2, 1, 0, 3], [7, 6, 5, 4]]


@pytest.mark.parametrize("fields", [{"lstm_size": 0}, {"num_layers": 0}, {"dropout": 1.0}])
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassClassValidationError, match=next(iter(fields))):
        small(**fields)


def test_passes_the_conformance_checks():
    check_family("embeddings", "embedding-lstm")
