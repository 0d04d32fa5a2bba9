from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.lenet import LeNetBackbone, LeNetConfig, LeNetForImageClassification


def test_has_the_61_706_parameters_of_lenet5():
    assert LeNetForImageClassification(LeNetConfig(num_labels=10)).num_parameters() == 61_706


def test_original_activation_and_pooling_have_no_parameters():
    config = LeNetConfig(num_labels=10, activation="tanh", pooling="average")
    assert LeNetForImageClassification(config).num_parameters() == 61_706


def test_padding_two_gives_pictures_of_28_pixels_the_same_network():
    config = LeNetConfig(num_labels=10, image_size=28, padding=2)
    model = LeNetForImageClassification(config).eval()
    unpadded = LeNetForImageClassification(LeNetConfig(num_labels=10)).eval()
    unpadded.load_state_dict(model.state_dict())
    pixel_values = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(model(pixel_values).logits, unpadded(F.pad(pixel_values, (2, 2, 2, 2))).logits)


@pytest.mark.parametrize(
    ("activation", "pooling"), [("tanh", "average"), ("relu", "max")], ids=["as in 1998", "as today"]
)
def test_computes_figure_2_of_the_paper(activation, pooling):
    model = LeNetForImageClassification(LeNetConfig(num_labels=10, activation=activation, pooling=pooling)).eval()
    weights = dict(model.state_dict())
    squash = {"tanh": torch.tanh, "relu": torch.relu}[activation]
    pool = {"average": F.avg_pool2d, "max": F.max_pool2d}[pooling]
    pixel_values = torch.randn(3, 1, 32, 32)

    def convolution(x, layer):
        return F.conv2d(
            x, weights[f"lenet.convolutions.{layer}.0.weight"], weights[f"lenet.convolutions.{layer}.0.bias"]
        )

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    s2 = pool(squash(convolution(pixel_values, 0)), 2)
    s4 = pool(squash(convolution(s2, 1)), 2)
    assert s2.shape == (3, 6, 14, 14)
    assert s4.shape == (3, 16, 5, 5)
    c5 = squash(linear(s4.flatten(1), "lenet.hidden_layers.0.0"))
    f6 = squash(linear(c5, "lenet.hidden_layers.1.0"))
    assert torch.equal(model(pixel_values).logits, linear(f6, "classifier"))


def test_wider_network_stays_under_100_000_parameters():
    config = LeNetConfig(num_labels=10, conv_channels=(16, 32), hidden_sizes=(96,), dropout=0.2)
    assert LeNetForImageClassification(config).num_parameters() < 100_000


def test_dropout_works_in_training_only():
    model = LeNetForImageClassification(LeNetConfig(dropout=0.5))
    pixel_values = torch.randn(2, 1, 32, 32)
    assert not torch.equal(model.train()(pixel_values).logits, model(pixel_values).logits)
    assert torch.equal(model.eval()(pixel_values).logits, model(pixel_values).logits)


def test_convolutions_alone_run_on_any_size():
    backbone = LeNetBackbone(LeNetConfig(out_features=["convolution1", "convolution2"])).eval()
    maps = backbone(torch.randn(1, 1, 40, 60)).feature_maps
    assert [one.shape for one in maps] == [(1, 6, 18, 28), (1, 16, 7, 12)]


def test_wrong_size_is_one_sentence():
    with pytest.raises(ValueError, match=r"pixel_values must be \(N, 1, 32, 32\), not \(1, 1, 28, 28\)"):
        LeNetForImageClassification(LeNetConfig())(torch.randn(1, 1, 28, 28))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conv_channels": ()}, "conv_channels must be one or more positive"),
        ({"conv_channels": (6, 0)}, "conv_channels must be one or more positive"),
        ({"hidden_sizes": []}, "hidden_sizes must be one or more positive"),
        ({"image_size": 12}, "too small for 2 convolutions"),
        ({"num_channels": 0}, "num_channels must be at least 1"),
        ({"padding": -1}, "padding at least 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"activation": "swish"}, "activation"),
        ({"pooling": 2}, "pooling"),
        ({"image_size": "32"}, "image_size"),
        ({"classifier_hidden_size": 0}, "classifier_hidden_size must be at least 1"),
        ({"classifier": "svm"}, "classifier"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        LeNetConfig(**fields)
