from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from tsugiki_vision.classifiers.densenet import DenseNetBackbone, DenseNetConfig, DenseNetForImageClassification

from ..same_network import assert_same, copy_in_order, randomise
from ..torchvision_reference import torchvision_models

SIZES = {
    "densenet121": {},
    "densenet169": {"block_layers": (6, 12, 32, 32)},
    "densenet201": {"block_layers": (6, 12, 48, 32)},
    "densenet161": {"growth_rate": 48, "block_layers": (6, 12, 36, 24), "initial_channels": 96},
}
CIFAR_40 = {
    "image_size": 32,
    "stem": "cifar",
    "growth_rate": 12,
    "block_layers": (12, 12, 12),
    "initial_channels": 16,
    "bottleneck": False,
    "compression": 1.0,
}
CIFAR_BC_100 = {
    "image_size": 32,
    "stem": "cifar",
    "growth_rate": 12,
    "block_layers": (16, 16, 16),
    "initial_channels": 24,
}


def on_meta(fields: dict, num_labels: int) -> DenseNetForImageClassification:
    with torch.device("meta"):
        return DenseNetForImageClassification(DenseNetConfig(num_labels=num_labels, **fields))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("densenet121", 7_978_856),
        ("densenet169", 14_149_480),
        ("densenet201", 20_013_928),
        ("densenet161", 28_681_000),
    ],
)
def test_has_the_parameters_that_torchvision_documents(name, parameters):
    assert on_meta(SIZES[name], 1000).num_parameters() == parameters


@pytest.mark.parametrize("layers", [12, 5])
def test_small_form_has_the_parameters_that_its_layers_add_up_to(layers):
    """Each layer: a norm of its input and a 3x3 convolution to 12 maps; each transition: a norm and a square 1x1."""
    channels, expected = 16, 3 * 9 * 16
    for block in range(3):
        for _ in range(layers):
            expected += 2 * channels + 9 * channels * 12
            channels += 12
        expected += 2 * channels + (channels**2 if block < 2 else 0)
    expected += 10 * channels + 10
    model = on_meta({**CIFAR_40, "block_layers": (layers,) * 3}, 10)
    assert model.num_parameters() == expected
    if layers == 12:
        assert round(expected / 1e6, 1) == 1.0  # table 2 of the paper


def test_bc_form_has_the_parameters_of_table_2():
    assert round(on_meta(CIFAR_BC_100, 10).num_parameters() / 1e6, 1) == 0.8


@pytest.mark.parametrize(
    ("fields", "depth"),
    [(SIZES["densenet121"], 121), (SIZES["densenet161"], 161), (CIFAR_40, 40), (CIFAR_BC_100, 100)],
)
def test_depth_counts_the_layers_with_weights(fields, depth):
    layers = [module for module in on_meta(fields, 10).modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_equals_torchvision():
    theirs = torchvision_models().densenet121(num_classes=5)
    randomise(theirs)
    ours = DenseNetForImageClassification(DenseNetConfig(num_labels=5))
    names = copy_in_order(theirs, ours)
    pixel_values = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([1, 4]))


def test_equals_torchvision_with_other_sizes():
    theirs = torchvision_models().DenseNet(growth_rate=6, block_config=(2, 3), num_init_features=10, num_classes=4)
    randomise(theirs)
    config = DenseNetConfig(growth_rate=6, block_layers=(2, 3), initial_channels=10, num_labels=4)
    ours = DenseNetForImageClassification(config)
    names = copy_in_order(theirs, ours)
    pixel_values = torch.randn(3, 3, 37, 50, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([0, 3, 2]))


def test_a_layer_passes_its_input_on_and_adds_the_growth_rate():
    config = DenseNetConfig(growth_rate=3, block_layers=(1,), initial_channels=5)
    layer = DenseNetForImageClassification(config).densenet.stages[1].layers[0]
    hidden = torch.randn(2, 5, 4, 4)
    output = layer(hidden.clone())
    assert output.shape == (2, 8, 4, 4)
    assert torch.equal(output[:, :5], hidden)


def test_without_norm_no_activation_writes_into_maps_that_others_read():
    torch.manual_seed(0)
    config = DenseNetConfig(growth_rate=3, block_layers=(2,), initial_channels=5, normalization="none", stem="cifar")
    stage = DenseNetForImageClassification(config).densenet.stages[1]
    hidden = torch.randn(2, 5, 4, 4)
    kept = hidden.clone()
    stage(hidden)
    assert torch.equal(hidden, kept)


def test_maps_halve_between_blocks():
    fields = {"growth_rate": 4, "block_layers": (1, 2, 1), "initial_channels": 8}
    names = ["stem", "stage1", "stage2", "stage3"]
    backbone = DenseNetBackbone(DenseNetConfig(out_features=names, **fields)).eval()
    maps = backbone(torch.randn(1, 3, 32, 32)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(8, 8, 8), (12, 8, 8), (14, 4, 4), (11, 2, 2)]
    assert backbone.strides == [4, 4, 8, 16]
    small = DenseNetBackbone(DenseNetConfig(out_features=names, stem="cifar", **fields)).eval()
    maps = small(torch.randn(1, 3, 32, 32)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(8, 32, 32), (12, 32, 32), (14, 16, 16), (11, 8, 8)]
    assert small.strides == [1, 1, 2, 4]


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_smallest_picture_leaves_one_place(stem):
    fields = {"growth_rate": 4, "block_layers": (1, 1, 1), "initial_channels": 8, "stem": stem}
    model = DenseNetForImageClassification(DenseNetConfig(**fields)).eval()
    smallest = model.config.minimum_size
    hidden = model(torch.randn(1, 3, smallest, smallest), output_hidden_states=True).hidden_states
    assert hidden[-1].shape[2:] == (1, 1)
    with pytest.raises(ValueError, match=f"at least {smallest} pixels a side"):
        model(torch.randn(1, 3, smallest - 1, smallest))


def test_dropout_follows_each_convolution_but_the_first():
    model = on_meta({**CIFAR_40, "drop_rate": 0.2}, 10)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.2] * 38


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block_layers": ()}, "block_layers must be one or more positive"),
        ({"block_layers": (6, 0)}, "block_layers must be one or more positive"),
        ({"growth_rate": 0}, "growth_rate must be at least 1"),
        ({"initial_channels": 0}, "initial_channels must be at least 1"),
        ({"compression": 0.0}, "compression must be above 0"),
        ({"compression": 0.001, "growth_rate": 1}, "compression must be above 0"),
        ({"drop_rate": 1.0}, "drop_rate must be at least 0 and below 1"),
        ({"image_size": 28}, "image_size must be at least 29"),
        ({"stem": "wide"}, "stem"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        DenseNetConfig(**fields)
