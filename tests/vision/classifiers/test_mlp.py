from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.mlp import MLPConfig, MLPForImageClassification


def test_has_the_parameters_of_its_layers():
    model = MLPForImageClassification(MLPConfig(num_labels=10, hidden_sizes=(300, 100)))
    # LeNet-300-100, the network of the pruning papers
    assert model.num_parameters() == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_computes_its_layers(activation):
    model = MLPForImageClassification(MLPConfig(image_size=4, hidden_sizes=(5,), activation=activation)).eval()
    pixel_values = torch.randn(3, 1, 4, 4)
    hidden = getattr(torch.nn.functional, activation)(
        F.linear(pixel_values.flatten(1), model.mlp.hidden_layers[0][0].weight, model.mlp.hidden_layers[0][0].bias)
    )
    assert torch.equal(model(pixel_values).logits, model.classifier(hidden))


@pytest.mark.parametrize(("weight_init", "variance"), [("he", 2 / 784), ("xavier", 2 / (784 + 400))])
def test_weights_start_with_the_variance_of_the_paper(weight_init, variance):
    torch.manual_seed(0)
    model = MLPForImageClassification(MLPConfig(hidden_sizes=(400,), weight_init=weight_init))
    assert model.mlp.hidden_layers[0][0].weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not model.mlp.hidden_layers[0][0].bias.any()


def xor_accuracy(hidden_sizes) -> float:
    torch.manual_seed(0)
    config = MLPConfig(image_size=2, hidden_sizes=hidden_sizes, activation="tanh", weight_init="xavier")
    model = MLPForImageClassification(config)
    # Two bits, each in both pixels of its row.
    bits = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]) * 2 - 1
    pixel_values = bits[:, None, :, None].expand(4, 1, 2, 2)
    labels = torch.tensor([0, 1, 1, 0])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(100):
        model(pixel_values, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return (model(pixel_values).logits.argmax(-1) == labels).float().mean().item()


def test_one_hidden_layer_learns_xor_and_none_cannot():
    assert xor_accuracy((8,)) == 1
    assert xor_accuracy(()) < 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_sizes": (3, 0)}, "hidden_sizes must be positive"),
        ({"image_size": 0}, "image_size must be at least 1"),
        ({"dropout": -0.1}, "dropout must be at least 0"),
        ({"input_dropout": 1.5}, "input_dropout must be at least 0"),
        ({"activation": "step"}, "activation"),
        ({"weight_init": "zeros"}, "weight_init"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        MLPConfig(**fields)
