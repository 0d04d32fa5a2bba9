from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.cifar_resnet import (
    CifarResNetBackbone,
    CifarResNetConfig,
    CifarResNetForImageClassification,
    IdentityShortcut,
)


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018)])
def test_has_the_parameters_of_the_paper(depth, parameters):
    model = CifarResNetForImageClassification(CifarResNetConfig(depth=depth, num_labels=10))
    assert model.num_parameters() == parameters


def test_depth_counts_the_layers_with_weights():
    model = CifarResNetForImageClassification(CifarResNetConfig(depth=32))
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 32


def test_projection_shortcuts_add_a_convolution_where_the_shape_changes():
    plain = CifarResNetForImageClassification(CifarResNetConfig(num_labels=10)).num_parameters()
    projected = CifarResNetForImageClassification(CifarResNetConfig(num_labels=10, shortcut="projection"))
    assert projected.num_parameters() - plain == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


def test_identity_shortcut_takes_every_second_pixel_and_adds_empty_channels():
    hidden = torch.arange(32.0).view(1, 2, 4, 4)
    output = IdentityShortcut(2, 5, stride=2)(hidden)
    assert output.shape == (1, 5, 2, 2)
    assert output[0, 0].tolist() == [[0, 2], [8, 10]]
    assert not output[0, 2:].any()


def randomise_norms(model: torch.nn.Module) -> None:
    """Statistics and weights of batch norms off their start values, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data = torch.rand(tensor.shape, generator=generator) + 0.5


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("shortcut", ["identity", "projection"])
def test_computes_equation_1_of_the_paper(shortcut, training):
    config = CifarResNetConfig(depth=14, stage_channels=(3, 5, 8), shortcut=shortcut, num_labels=4)
    model = CifarResNetForImageClassification(config).train(training)
    randomise_norms(model)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    pixel_values = torch.randn(6, 3, 12, 12)

    def layer(x, convolution, norm, stride=1):
        weight = weights[f"cifar_resnet.{convolution}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        statistics = [weights[f"cifar_resnet.{norm}.{name}"].clone() for name in ("running_mean", "running_var")]
        affine = [weights[f"cifar_resnet.{norm}.{name}"] for name in ("weight", "bias")]
        return F.batch_norm(x, *statistics, *affine, training=training)

    hidden = layer(pixel_values, "stem.convolution", "stem.norm").relu()
    for stage in range(3):
        for block in range(2):
            path = f"stages.{stage}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            residual = layer(hidden, f"{path}.convolution1", f"{path}.norm1", stride).relu()
            residual = layer(residual, f"{path}.convolution2", f"{path}.norm2")
            if stride == 1:
                identity = hidden
            elif shortcut == "projection":
                identity = layer(hidden, f"{path}.shortcut.convolution", f"{path}.shortcut.norm", stride)
            else:
                identity = torch.zeros_like(residual)
                identity[:, : hidden.shape[1]] = hidden[:, :, ::2, ::2]
            hidden = (residual + identity).relu()
    expected = F.linear(hidden.mean((2, 3)), weights["classifier.weight"], weights["classifier.bias"])
    torch.testing.assert_close(model(pixel_values).logits, expected)


def test_maps_halve_twice():
    backbone = CifarResNetBackbone(CifarResNetConfig(depth=8, out_indices=[0, 1, 2, 3])).eval()
    maps = backbone(torch.randn(1, 3, 32, 32)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_convolutions_start_with_the_variance_of_he_et_al():
    torch.manual_seed(0)
    model = CifarResNetForImageClassification(CifarResNetConfig(stage_channels=(64, 64, 64), depth=8))
    weight = model.cifar_resnet.stages[0][0].convolution1.weight
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeps_the_memory_format_and_dtype_from_layer_to_layer(dtype):
    model = CifarResNetForImageClassification(CifarResNetConfig(depth=8)).to(memory_format=torch.channels_last)
    seen = set()
    for module in model.cifar_resnet.modules():
        if not list(module.children()) or type(module).__name__ == "BasicBlock":
            module.register_forward_hook(
                lambda _module, _inputs, output: seen.add(
                    (output.dtype, output.is_contiguous(memory_format=torch.channels_last))
                )
            )
    pixel_values = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        model(pixel_values)
    assert seen == {(dtype, True)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 21}, r"depth must be 6n \+ 2"),
        ({"depth": 2}, r"depth must be 6n \+ 2"),
        ({"stage_channels": (16, 32)}, "stage_channels must be 3 positive"),
        ({"stage_channels": (16, 0, 64)}, "stage_channels must be 3 positive"),
        ({"stage_channels": (64, 32, 16)}, "identity shortcut can only add channels"),
        ({"num_channels": 0}, "num_channels must be at least 1"),
        ({"image_size": 2}, "image_size must be at least 4"),
        ({"shortcut": "C"}, "shortcut"),
        ({"depth": 20.0}, "depth"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        CifarResNetConfig(**fields)


def test_projection_allows_stages_that_shrink():
    assert CifarResNetConfig(stage_channels=(8, 4, 2), shortcut="projection").stage_channels == [8, 4, 2]
