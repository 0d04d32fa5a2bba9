from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.all_cnn import AllCNNBackbone, AllCNNConfig, AllCNNForImageClassification

# Table 1 of the paper: kernel sizes before the first and the second pooling, 3x3 and 1x1 after them.
BASE = {"A": [5], "B": [5, 1], "C": [3, 3]}
CHANNELS = [96, 192, 192]


def parameters_of_table_1(model: str, reduction: str, labels: int = 10) -> int:
    """Weights and biases of each convolution, from the tables' rows alone."""
    before = BASE[model] + ([3] if reduction in ("all_conv", "conv_pool") else [])
    total, inputs = 0, 3
    for kernels, channels in zip([before, before, [3, 1]], CHANNELS, strict=True):
        for kernel in kernels:
            total += channels * (inputs * kernel**2 + 1)
            inputs = channels
    return total + labels * (inputs + 1)


@pytest.mark.parametrize("reduction", ["stride", "max_pool", "conv_pool", "all_conv"])
@pytest.mark.parametrize("model", ["A", "B", "C"])
def test_has_the_parameters_of_tables_1_and_2(model, reduction):
    with torch.device("meta"):
        network = AllCNNForImageClassification(AllCNNConfig(model=model, reduction=reduction, num_labels=10))
    assert network.num_parameters() == parameters_of_table_1(model, reduction)


def test_all_cnn_c_has_1_369_738_parameters():
    """The paper's table 3 rounds it to 1.4 million."""
    with torch.device("meta"):
        assert AllCNNForImageClassification(AllCNNConfig(num_labels=10)).num_parameters() == 1_369_738


def test_twin_with_pooling_has_the_same_parameters_by_name():
    with torch.device("meta"):
        ours, twin = (
            AllCNNForImageClassification(AllCNNConfig(reduction=form)).state_dict()
            for form in ("all_conv", "conv_pool")
        )
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in twin.items()}


def test_twins_start_with_the_same_weights():
    weights = []
    for reduction in ("all_conv", "conv_pool"):
        torch.manual_seed(3)
        weights.append(AllCNNForImageClassification(AllCNNConfig(reduction=reduction, channels=(4, 6, 8))).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("reduction", ["stride", "max_pool", "conv_pool", "all_conv"])
def test_maps_have_the_sizes_of_the_tables(reduction):
    """Table 1: 32 pixels, then 16, 8, and global averaging over 6x6."""
    config = AllCNNConfig(reduction=reduction, channels=(4, 6, 8), out_features=["stage1", "stage2", "stage3"])
    maps = AllCNNBackbone(config).eval()(torch.randn(1, 3, 32, 32)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(4, 16, 16), (6, 8, 8), (8, 6, 6)]


def test_odd_and_larger_pictures_run_and_the_smallest_is_told():
    model = AllCNNForImageClassification(AllCNNConfig(channels=(2, 2, 2), num_labels=4)).eval()
    assert model(torch.randn(1, 3, 9, 47)).logits.shape == (1, 4)
    with pytest.raises(ValueError, match="at least 9 pixels a side"):
        model(torch.randn(1, 3, 8, 47))


@pytest.mark.parametrize("reduction", ["max_pool", "conv_pool", "all_conv", "stride"])
def test_computes_table_2(reduction):
    torch.manual_seed(0)
    config = AllCNNConfig(reduction=reduction, channels=(4, 6, 8), num_labels=5)
    model = AllCNNForImageClassification(config).eval()
    parameters = iter(model.all_cnn.parameters())
    hidden = pixel_values = torch.randn(2, 3, 32, 32)

    def convolution(x, stride=1, padding=1):
        return F.conv2d(x, next(parameters), next(parameters), stride=stride, padding=padding).relu()

    for _ in range(2):
        hidden = convolution(hidden)
        hidden = convolution(hidden, stride=2 if reduction == "stride" else 1)
        if reduction == "all_conv":
            hidden = convolution(hidden, stride=2)
        if reduction == "conv_pool":
            hidden = convolution(hidden)
        if reduction in ("max_pool", "conv_pool"):
            hidden = F.max_pool2d(hidden, 3, stride=2, padding=1)
    hidden = convolution(convolution(hidden, padding=0), padding=0)
    expected = F.linear(hidden.mean((2, 3)), model.classifier.weight, model.classifier.bias)
    torch.testing.assert_close(model(pixel_values).logits, expected)


def test_classifier_is_the_papers_1x1_convolution_before_its_mean():
    """A linear layer on the mean over places is the mean of a 1x1 convolution, unless a ReLU stands between."""
    torch.manual_seed(0)
    model = AllCNNForImageClassification(AllCNNConfig(channels=(4, 6, 8), num_labels=5)).eval()
    features = model.all_cnn(torch.randn(3, 3, 32, 32))
    scores = F.conv2d(features.last_hidden_state, model.classifier.weight[:, :, None, None], model.classifier.bias)
    logits = model.classifier(features.pooler_output)
    torch.testing.assert_close(scores.mean((2, 3)), logits)
    assert (scores.relu().mean((2, 3)) - logits).abs().max() > 1e-3  # the paper's order


def test_dropout_works_on_the_picture_and_after_each_reduction_in_training_only():
    model = AllCNNForImageClassification(AllCNNConfig(channels=(2, 2, 2)))
    assert [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)] == [0.2, 0.5, 0.5]
    pixel_values = torch.randn(2, 3, 32, 32)
    assert not torch.equal(model.train()(pixel_values).logits, model(pixel_values).logits)
    assert torch.equal(model.eval()(pixel_values).logits, model(pixel_values).logits)


def test_width_multiplier_scales_and_rounds():
    assert AllCNNConfig(width_multiplier=0.25).widths == [24, 48, 48]
    assert AllCNNConfig(width_multiplier=0.001).widths == [1, 1, 1]


def test_convolutions_have_no_bias_under_a_normalisation():
    model = AllCNNForImageClassification(AllCNNConfig(normalization="batch", channels=(2, 2, 2)))
    assert all(module.bias is None for module in model.modules() if isinstance(module, torch.nn.Conv2d))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": (96, 192)}, "channels must be 3 positive"),
        ({"channels": (96, 0, 192)}, "channels must be 3 positive"),
        ({"width_multiplier": 0}, "width_multiplier must be above 0"),
        ({"image_size": 8}, "image_size must be at least 9"),
        ({"input_dropout": 1.0}, "input_dropout must be at least 0 and below 1"),
        ({"dropout": -0.1}, "dropout must be at least 0 and below 1"),
        ({"model": "D"}, "model"),
        ({"reduction": "average_pool"}, "reduction"),
        ({"num_channels": 0}, "num_channels must be at least 1"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        AllCNNConfig(**fields)
