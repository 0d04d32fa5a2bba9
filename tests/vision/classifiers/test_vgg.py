from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.vgg import VGGBackbone, VGGConfig, VGGForImageClassification, VGGModel

from ..same_network import assert_same, copy_in_order, randomise
from ..torchvision_reference import torchvision_models


@pytest.mark.parametrize(
    ("depth", "normalization", "parameters"),
    [
        (11, "none", 132_863_336),
        (13, "none", 133_047_848),
        (16, "none", 138_357_544),
        (19, "none", 143_667_240),
        (16, "batch", 138_365_992),
    ],
)
def test_has_the_parameters_of_the_paper(depth, normalization, parameters):
    with torch.device("meta"):
        model = VGGForImageClassification(VGGConfig(depth=depth, normalization=normalization, num_labels=1000))
    assert model.num_parameters() == parameters


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_depth_counts_the_layers_with_weights(depth):
    with torch.device("meta"):
        model = VGGForImageClassification(VGGConfig(depth=depth))
    assert sum(isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in model.modules()) == depth


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"])
def test_equals_torchvision(name):
    network = getattr(torchvision_models(), name)
    with torch.device("meta"):  # its own draw of 140 million weights takes longer than the comparison
        theirs = network(num_classes=5)
    # The hidden layers hold nine tenths of the weights: narrower ones compare the same in a tenth of the time.
    theirs.classifier[0] = torch.nn.Linear(512 * 49, 32)
    theirs.classifier[3] = torch.nn.Linear(32, 16)
    theirs.classifier[6] = torch.nn.Linear(16, 5)
    theirs.to_empty(device="cpu")
    randomise(theirs)
    normalization = "batch" if name.endswith("_bn") else "none"
    config = VGGConfig(
        depth=int(name.removesuffix("_bn")[3:]), normalization=normalization, hidden_sizes=(32, 16), num_labels=5
    )
    ours = VGGForImageClassification(config)
    names = copy_in_order(theirs, ours)
    pixel_values = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([1, 4]))


def test_convolutions_have_the_names_of_the_field():
    names = VGGModel(VGGConfig(width_multiplier=0.02, hidden_sizes=())).convolution_names
    assert names[:3] == ["conv1_1", "conv1_2", "conv2_1"]
    assert names[-1] == "conv5_3"
    assert len(names) == 13


def test_convolution_outputs_are_the_maps_after_the_activation():
    model = VGGModel(VGGConfig(depth=11, width_multiplier=0.05, hidden_sizes=())).eval()
    pixel_values = torch.randn(2, 3, 40, 40)
    seen = {}
    model.stages[2].layers[1].activation.register_forward_hook(lambda _m, _i, output: seen.update(conv3_2=output))
    computed = []
    model.stages[2].pooling.register_forward_hook(lambda *_: computed.append("pooling of block 3"))
    model.stages[3].layers[0].register_forward_hook(lambda *_: computed.append("conv4_1"))
    outputs = model.convolution_outputs(pixel_values, ["conv3_2", "conv1_1"])
    assert list(outputs) == ["conv1_1", "conv3_2"]
    assert torch.equal(outputs["conv3_2"], seen["conv3_2"])
    assert outputs["conv1_1"].shape == (2, 3, 40, 40)
    assert outputs["conv1_1"].min() == 0
    assert computed == []
    model.stages[2](model.stages[1](model.stages[0](pixel_values)))
    assert torch.equal(outputs["conv3_2"], seen["conv3_2"])


def test_convolution_outputs_take_pictures_down_to_one_place():
    model = VGGModel(VGGConfig(depth=11, width_multiplier=0.05, hidden_sizes=())).eval()
    assert model.convolution_outputs(torch.randn(1, 3, 4, 5), ["conv3_2"])["conv3_2"].shape[2:] == (1, 1)
    with pytest.raises(ValueError, match="at least 4 pixels a side"):
        model.convolution_outputs(torch.randn(1, 3, 3, 5), ["conv3_2"])
    with pytest.raises(ValueError, match="one or more convolutions"):
        model.convolution_outputs(torch.randn(1, 3, 4, 5), [])


def test_unknown_convolution_is_named():
    with pytest.raises(ValueError, match=r"'conv3_3' is no convolution of this VGG-11"):
        VGGModel(VGGConfig(depth=11, width_multiplier=0.02, hidden_sizes=())).convolution_outputs(
            torch.randn(1, 3, 32, 32), ["conv3_3"]
        )


def test_backbone_has_strides():
    backbone = VGGBackbone(VGGConfig(width_multiplier=0.02, hidden_sizes=(4,), out_indices=[0, 4, 5]))
    assert backbone.strides == [2, 32, 0]


def test_pictures_below_the_minimum_are_one_sentence():
    model = VGGForImageClassification(VGGConfig(width_multiplier=0.02, hidden_sizes=()))
    with pytest.raises(ValueError, match="at least 32 pixels a side"):
        model(torch.randn(1, 3, 31, 40))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 12}, "depth"),
        ({"hidden_sizes": (0,)}, "hidden_sizes must be positive"),
        ({"image_size": 16}, "image_size must be at least 32"),
        ({"width_multiplier": 0}, "width_multiplier above 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"normalization": "spectral"}, "normalization"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        VGGConfig(**fields)
