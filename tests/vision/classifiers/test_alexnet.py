from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.nn import functional as F
from tsugiki_vision.classifiers.alexnet import AlexNetBackbone, AlexNetConfig, AlexNetForImageClassification
from tsugiki_vision.classifiers.layers import LocalResponseNorm

from ..same_network import assert_same, copy_in_order, randomise
from ..torchvision_reference import torchvision_models


@pytest.mark.parametrize(
    ("config", "parameters"), [(AlexNetConfig, 60_965_224), (AlexNetConfig.torchvision, 61_100_840)]
)
def test_has_the_parameters_of_the_paper_and_of_torchvision(config, parameters):
    with torch.device("meta"):
        model = AlexNetForImageClassification(config(num_labels=1000))
    assert model.num_parameters() == parameters


def test_equals_torchvision():
    network = torchvision_models().alexnet
    with torch.device("meta"):
        theirs = network(num_classes=5)
    theirs.classifier[1] = nn.Linear(256 * 36, 24)
    theirs.classifier[4] = nn.Linear(24, 16)
    theirs.classifier[6] = nn.Linear(16, 5)
    theirs.to_empty(device="cpu")
    randomise(theirs)
    ours = AlexNetForImageClassification(AlexNetConfig.torchvision(hidden_sizes=(24, 16), num_labels=5))
    names = copy_in_order(theirs, ours)
    pixel_values = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([1, 4]))


def test_two_towers_are_two_networks_that_meet_in_the_third_convolution():
    """Convolutions in two groups are those of two half networks on half the maps each (figure 2 of the paper)."""
    config = AlexNetConfig(channels=(4, 8, 12, 12, 8), hidden_sizes=(6,), num_labels=3, pooled_size=1)
    model = AlexNetForImageClassification(config).eval()
    stages = model.alexnet.stages
    maps = torch.randn(2, 4, 15, 15)
    convolution = stages[1][0]
    halves = [
        F.conv2d(part, weight, bias, padding=2)
        for part, weight, bias in zip(
            maps.chunk(2, 1), convolution.weight.chunk(2), convolution.bias.chunk(2), strict=True
        )
    ]
    torch.testing.assert_close(stages[1](maps), F.max_pool2d(torch.cat(halves, 1).relu(), 3, 2))


def test_response_normalisation_follows_the_first_two_convolutions():
    model = AlexNetForImageClassification(AlexNetConfig.small_pictures(local_response_norm=True, channels=(4,) * 5))
    have = [any(isinstance(m, LocalResponseNorm) for m in stage) for stage in model.alexnet.stages]
    assert have == [True, True, False, False, False, False, False]


def test_response_normalisation_is_torchs():
    """The paper sums the squares, torch takes their mean: alpha is 5 x 1e-4 here."""
    maps = torch.randn(2, 9, 4, 3)
    torch.testing.assert_close(LocalResponseNorm()(maps), nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)(maps))


def test_weights_start_as_in_the_paper_when_asked():
    torch.manual_seed(0)
    model = AlexNetForImageClassification(AlexNetConfig.small_pictures(weight_init="normal", num_labels=2))
    convolutions = [stage[0] for stage in model.alexnet.stages[:5]]
    assert [convolution.bias.unique().tolist() for convolution in convolutions] == [[0], [1], [0], [1], [1]]
    assert all(convolution.weight.std().item() == pytest.approx(0.01, rel=0.05) for convolution in convolutions)
    hidden = [stage[-3] for stage in model.alexnet.stages[5:]]
    assert [linear.bias.unique().tolist() for linear in hidden] == [[1], [1]]
    assert hidden[0].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.classifier.bias.abs().max() == 0


@pytest.mark.parametrize("config", [AlexNetConfig(channels=(4,) * 5), AlexNetConfig.small_pictures(channels=(4,) * 5)])
def test_minimum_size_is_the_smallest_that_runs(config):
    config.out_features = ["convolution5"]
    backbone = AlexNetBackbone(config).eval()
    side = config.minimum_size
    assert min(backbone(torch.randn(1, 3, side, side)).feature_maps[0].shape[2:]) == 1
    with pytest.raises(ValueError, match=f"at least {side} pixels"):
        backbone(torch.randn(1, 3, side - 1, side))
    with pytest.raises(RuntimeError):
        hidden = torch.randn(1, 3, side - 1, side - 1)
        for stage in backbone.alexnet.stages[:5]:
            hidden = stage(hidden)


def test_backbone_strides_are_those_of_the_maps():
    backbone = AlexNetBackbone(AlexNetConfig(channels=(4,) * 5, hidden_sizes=(), out_indices=[0, 1, 4]))
    assert backbone.strides == [8, 16, 32]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strides": (4, 1)}, "strides must hold one number for each of the 5"),
        ({"paddings": (2, 2, 1, 1, -1)}, "paddings must not be negative"),
        ({"groups": (2, 1, 1, 1, 1)}, "groups = 2 of convolution 1 must divide"),
        ({"channels": (4, 0, 4, 4, 4)}, "channels must be positive"),
        ({"pooled_after": (6,)}, "pooled_after must be numbers of the 5"),
        ({"image_size": 40}, "image_size must be at least 63"),
        ({"dropout": -0.1}, "dropout must be at least 0"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        AlexNetConfig(**fields)
