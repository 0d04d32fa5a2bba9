from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification
from tsugiki_vision.classifiers.mobilenet import MobileNetBackbone, MobileNetConfig, MobileNetForImageClassification

SMALL = (1, 1, 1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # strides for 32 pixels, as in the config's docstring


def randomise_norms(model: nn.Module) -> None:
    """Statistics and weights of batch norms off their start values, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5


def layers(model: MobileNetForImageClassification) -> list[nn.Module]:
    """Stem, then depthwise and pointwise of each block, in the order of transformers' `layer`."""
    stem, *stages = model.mobilenet.stages
    return [stem, *(layer for stage in stages for block in stage for layer in (block.depthwise, block.pointwise))]


@pytest.mark.parametrize(
    ("width", "parameters"),
    [(1.0, 4_231_976), (0.75, 2_585_560), (0.5, 1_331_592), (0.25, 470_072)],  # table 6: 4.2, 2.6, 1.3, 0.5 million
)
def test_has_the_parameters_of_the_paper(width, parameters):
    with torch.device("meta"):
        model = MobileNetForImageClassification(MobileNetConfig(width_multiplier=width, num_labels=1000))
    assert model.num_parameters() == parameters
    with torch.device("meta"):
        theirs = MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=width, num_labels=1000))
    assert theirs.num_parameters() == parameters


def test_multiplications_follow_the_formula_of_section_3_1():
    """H * W * C * K * K for a depthwise layer, H * W * C * M for a pointwise one; 569 million in all (table 4)."""
    with torch.device("meta"):
        model = MobileNetForImageClassification(MobileNetConfig(num_labels=1000))
        counted = 0

        def count(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            nonlocal counted
            counted += module.weight[0].numel() * output[0].numel()

        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        model(torch.empty(1, 3, 224, 224))
    size, channels, expected = 112, 32, 112 * 112 * 3 * 3 * 3 * 32
    for out_channels, stride in zip(model.config.channels[1:], model.config.strides[1:], strict=True):
        size //= stride
        expected += size**2 * channels * 3 * 3 + size**2 * channels * out_channels
        channels = out_channels
    assert counted == expected + 1024 * 1000
    assert round(counted / 1e6) == 569


@pytest.mark.parametrize("size", [(64, 64), (51, 38)], ids=["even", "odd"])
@pytest.mark.parametrize("tf_padding", [True, False])
def test_gives_the_logits_and_gradients_of_transformers(tf_padding, size):
    torch.manual_seed(0)
    options = {"num_labels": 5, "tf_padding": tf_padding}
    theirs = MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, **options)).eval()
    ours = MobileNetForImageClassification(MobileNetConfig(width_multiplier=0.25, **options)).eval()
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)  # their own start leaves nothing of the signal after 27 layers
    nn.init.normal_(theirs.classifier.weight)
    randomise_norms(theirs)
    of_theirs = [theirs.mobilenet_v1.conv_stem, *theirs.mobilenet_v1.layer]
    for mine, other in zip(layers(ours), of_theirs, strict=True):
        mine.convolution.load_state_dict(other.convolution.state_dict())
        mine.norm.load_state_dict(other.normalization.state_dict())
    ours.classifier.load_state_dict(theirs.classifier.state_dict())

    pixel_values, labels = torch.randn(3, 3, *size), torch.tensor([0, 4, 2])
    output = ours(pixel_values, labels=labels)
    expected = theirs(pixel_values, labels=labels)
    assert expected.logits.std(0).mean() > 0.1  # else they would agree on any picture
    torch.testing.assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-4)
    output.loss.backward()
    expected.loss.backward()
    for mine, other in zip(layers(ours), of_theirs, strict=True):
        torch.testing.assert_close(mine.convolution.weight.grad, other.convolution.weight.grad, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(mine.norm.weight.grad, other.normalization.weight.grad, rtol=1e-3, atol=1e-3)


def test_stages_end_where_the_maps_halve():
    config = MobileNetConfig(width_multiplier=0.25, out_features=["stem", *(f"stage{n}" for n in range(1, 6))])
    backbone = MobileNetBackbone(config).eval()
    maps = backbone(torch.randn(1, 3, 64, 64)).feature_maps
    shapes = [(8, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)]
    assert [tuple(one.shape[1:]) for one in maps] == shapes
    assert backbone.strides == [2, 2, 4, 8, 16, 32]


def test_strides_of_the_small_form_leave_4_pixels_of_32():
    config = MobileNetConfig(strides=SMALL, width_multiplier=0.25, image_size=32, out_indices=[-1])
    (last,) = MobileNetBackbone(config).eval()(torch.randn(1, 3, 32, 32)).feature_maps
    assert last.shape == (1, 256, 4, 4)


def test_a_multiplier_leaves_the_fewest_channels():
    assert MobileNetConfig(width_multiplier=0.1).widths[:4] == [8, 8, 12, 12]


def test_norms_take_eps_and_momentum_from_the_config():
    config = MobileNetConfig(width_multiplier=0.25, norm_eps=0.01, norm_momentum=0.3)
    norms = [
        module for module in MobileNetForImageClassification(config).modules() if isinstance(module, nn.BatchNorm2d)
    ]
    assert len(norms) == 27
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.01, 0.3)}


@pytest.mark.parametrize(("kind", "largest"), [("relu6", 6.0), ("relu", 50.0)])
def test_relu6_is_capped_and_relu_is_not(kind, largest):
    config = MobileNetConfig(width_multiplier=0.25, activation=kind, normalization="none")
    layer = layers(MobileNetForImageClassification(config))[2]
    nn.init.constant_(layer.convolution.weight, 50 / 8)  # of 8 channels of ones
    assert layer(torch.ones(1, 8, 2, 2)).max() == largest


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": (32,), "strides": (2,)}, "channels must be two or more"),
        ({"channels": (32, 0), "strides": (2, 1)}, "channels must be two or more"),
        ({"strides": (2, 1)}, "strides must be 1 or 2 for each of the 14 channels"),
        ({"strides": (4, *SMALL[1:])}, "strides must be 1 or 2"),
        ({"width_multiplier": 0}, "width_multiplier must be above 0"),
        ({"norm_eps": -1.0}, "norm_eps must be above 0"),
        ({"norm_momentum": 2.0}, "norm_momentum must be from 0 to 1"),
        ({"num_channels": 0}, "num_channels must be at least 1"),
        ({"activation": "swish7"}, "activation"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        MobileNetConfig(**fields)
