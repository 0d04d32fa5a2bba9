from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.sppnet import SPPNetBackbone, SPPNetConfig, SPPNetForImageClassification, SPPNetModel

SMALL = {
    "image_size": 13,
    "conv_channels": (4, 6),
    "kernel_sizes": (3, 3),
    "strides": (1, 1),
    "paddings": (1, 0),
    "pooled_after": (1,),
    "pyramid_levels": (3, 2, 1),
    "hidden_sizes": (8,),
}


def test_defaults_are_zf_5_of_table_1():
    """Its maps of 55, 27 (before the second pooling) and 13 pixels, and the hidden layers on 50 bins of 256 maps."""
    with torch.device("meta"):
        model = SPPNetModel(SPPNetConfig())
        sizes = []
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d):
                module.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.shape[-1]))
        features = model(torch.empty(1, 3, 224, 224))
    assert sizes == [110, 55, 26, 13, 13, 13, 13]
    assert model.config.pyramid_size == 50 * 256
    assert features.pooler_output.shape == (1, 4096)


def test_parameters_are_those_of_the_layers():
    layers = [(3, 96, 7), (96, 256, 5), (256, 384, 3), (384, 384, 3), (384, 256, 3)]
    convolutions = sum(outputs * (inputs * kernel**2 + 1) for inputs, outputs, kernel in layers)
    hidden = 4096 * (50 * 256 + 1) + 4096 * 4097 + 1000 * 4097
    with torch.device("meta"):
        model = SPPNetForImageClassification(SPPNetConfig(num_labels=1000))
    assert model.num_parameters() == convolutions + hidden


def test_features_have_one_length_at_any_size_from_the_smallest_on():
    model = SPPNetModel(SPPNetConfig(**SMALL)).eval()
    smallest = model.config.minimum_size
    shapes = {
        model(torch.randn(1, 3, height, width), output_hidden_states=True).hidden_states[2].shape
        for height in range(smallest, smallest + 9)
        for width in (smallest, 20, 31)
    }
    assert shapes == {(1, 6 * 14)}


def test_minimum_size_is_the_smallest_that_leaves_a_place():
    for config in (SPPNetConfig(**SMALL), SPPNetConfig(hidden_sizes=())):
        smallest = config.minimum_size
        with torch.device("meta"):
            model = SPPNetModel(config)
            last = len(config.conv_channels)
            assert min(model.feature_maps(torch.empty(1, 3, smallest, smallest), last)[-1].shape[2:]) == 1
            with pytest.raises(ValueError, match=f"at least {smallest} pixels a side"):
                model(torch.empty(1, 3, smallest - 1, smallest))
            hidden = torch.empty(1, 3, smallest - 1, smallest - 1)
            with pytest.raises(RuntimeError):  # the convolutions agree
                for stage in model.stages[:last]:
                    hidden = stage(hidden)


def test_computes_convolutions_pyramid_and_hidden_layer():
    torch.manual_seed(0)
    model = SPPNetForImageClassification(SPPNetConfig(**SMALL, local_response_norm=False, num_labels=5)).eval()
    first, first_bias, second, second_bias, hidden, hidden_bias = model.sppnet.parameters()
    pixel_values = torch.randn(2, 3, 13, 13)
    maps = F.max_pool2d(F.conv2d(pixel_values, first, first_bias, padding=1).relu(), 3, 2, 1)
    maps = F.conv2d(maps, second, second_bias).relu()  # (2, 6, 5, 5)
    bins = [F.adaptive_max_pool2d(maps, n).flatten(1) for n in (3, 2, 1)]
    features = F.linear(torch.cat(bins, 1), hidden, hidden_bias).relu()
    torch.testing.assert_close(model(pixel_values).logits, model.classifier(features))


def test_backbone_gives_maps_before_the_pyramid_by_name():
    config = SPPNetConfig(**SMALL, out_features=["convolution1", "convolution2", "pyramid", "hidden1"])
    backbone = SPPNetBackbone(config).eval()
    maps = backbone(torch.randn(1, 3, 20, 24)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(4, 10, 12), (6, 8, 10), (84, 1, 1), (8, 1, 1)]
    assert backbone.strides == [2, 2, 0, 0]


def test_classifier_can_stand_on_the_pyramid_itself():
    model = SPPNetForImageClassification(SPPNetConfig(**{**SMALL, "hidden_sizes": ()}, num_labels=3)).eval()
    assert model.classifier.in_features == 84
    assert model(torch.randn(1, 3, 17, 40)).logits.shape == (1, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conv_channels": ()}, "conv_channels must be one or more positive"),
        ({"strides": (1, 1)}, "strides must have one number for each of the 5 conv_channels"),
        ({"paddings": (0, 0, 0, 0, -1)}, "paddings must be at least 0"),
        ({"pooled_after": (1, 6)}, "pooled_after must name convolutions from 1 to 5"),
        ({"pyramid_levels": ()}, "pyramid_levels must be one or more positive"),
        ({"pyramid_levels": (2, 0)}, "pyramid_levels must be one or more positive"),
        ({"hidden_sizes": (0,)}, "hidden_sizes must be positive"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"image_size": 20}, "image_size must be at least 21"),
        ({"pyramid_levels": "4"}, "pyramid_levels"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        SPPNetConfig(**fields)
