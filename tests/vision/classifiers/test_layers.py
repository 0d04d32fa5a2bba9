"""What a config's choices make of fresh weights, in every family that has them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from tsugiki_vision.classifiers.layers import initialize, initialize_linear
from tsugiki_vision.classifiers.sppnet import SPPNetConfig, SPPNetForImageClassification
from tsugiki_vision.classifiers.vgg import VGGConfig, VGGForImageClassification

INPUTS, OUTPUTS, KERNEL = 48, 96, 3
FAN_IN, FAN_OUT = INPUTS * KERNEL**2, OUTPUTS * KERNEL**2


@pytest.mark.parametrize(
    ("scheme", "activation", "deviation"),
    [
        ("he", "relu", math.sqrt(2 / FAN_IN)),  # He et al. 2015, equation 10
        ("he", "tanh", math.sqrt(1 / FAN_IN)),
        ("xavier", "tanh", math.sqrt(2 / (FAN_IN + FAN_OUT))),  # Glorot and Bengio 2010, equation 16
        ("normal", "relu", 0.01),  # Krizhevsky et al. 2012, section 5
    ],
)
def test_weights_have_the_deviation_of_the_paper(scheme, activation, deviation):
    torch.manual_seed(0)
    layer = nn.Conv2d(INPUTS, OUTPUTS, KERNEL)
    initialize(layer, scheme, activation)
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert not layer.bias.any()


def test_linear_weights_are_uniform_up_to_one_over_the_root_of_the_inputs():
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialize_linear(layer)
    bound = 1 / math.sqrt(400)
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not layer.bias.any()


def test_other_modules_are_left_alone():
    norm = nn.BatchNorm2d(3)
    torch.nn.init.constant_(norm.weight, 5.0)
    initialize(norm, "he")
    assert norm.weight.tolist() == [5.0] * 3


@pytest.mark.parametrize(
    ("model_class", "config", "drawn_by_the_choice"),
    [
        (VGGForImageClassification, VGGConfig(image_size=32, width_multiplier=0.1, hidden_sizes=(400,)), False),
        (SPPNetForImageClassification, SPPNetConfig(image_size=64, conv_channels=(8,) * 5, hidden_sizes=(400,)), True),
    ],
    ids=["vgg", "sppnet"],
)
def test_weight_init_draws_linear_layers_where_the_family_says_so(model_class, config, drawn_by_the_choice):
    config.weight_init = "normal"
    model = model_class(config)
    convolution = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    hidden = next(module for module in model.modules() if isinstance(module, nn.Linear))
    assert convolution.weight.std().item() == pytest.approx(0.01, rel=0.2)
    linear = 0.01 if drawn_by_the_choice else 1 / math.sqrt(3 * hidden.in_features)
    assert hidden.weight.std().item() == pytest.approx(linear, rel=0.05)
