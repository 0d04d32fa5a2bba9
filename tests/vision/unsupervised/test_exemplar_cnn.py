from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.unsupervised.exemplar_cnn import (
    ExemplarCNNBackbone,
    ExemplarCNNConfig,
    ExemplarCNNForImageClassification,
    ExemplarCNNModel,
)

HALVES = (slice(0, 2), slice(2, 4))  # of a side of four


@pytest.mark.parametrize("channels", [(64, 64), (92, 256, 512)], ids=["64c5-64c5", "92c5-256c5-512c5"])
def test_has_the_parameters_of_the_papers_convolutions(channels):
    with torch.device("meta"):
        model = ExemplarCNNForImageClassification(ExemplarCNNConfig(conv_channels=channels, num_labels=10))
    inputs = (3, *channels[:-1])
    convolutions = sum(b * (25 * a + 1) for a, b in zip(inputs, channels, strict=True))
    assert model.num_parameters() == convolutions + 10 * (4 * channels[-1] + 1)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_computes_convolutions_and_quadrants(pooling):
    torch.manual_seed(0)
    config = ExemplarCNNConfig(conv_channels=(4, 6, 8), image_size=16, pooling=pooling)
    model = ExemplarCNNModel(config).eval()
    hidden = pixel_values = torch.randn(2, 3, 16, 16)
    weights = iter(model.parameters())
    for layer in range(3):
        hidden = F.conv2d(hidden, next(weights), next(weights), padding=2).relu()
        if layer < 2:
            hidden = F.max_pool2d(hidden, 2)
    features = model(pixel_values)
    torch.testing.assert_close(features.last_hidden_state, hidden)
    reduce = torch.amax if pooling == "max" else torch.mean
    quadrants = [reduce(hidden[:, :, rows, columns], dim=(2, 3)) for rows in HALVES for columns in HALVES]
    torch.testing.assert_close(features.pooler_output, torch.stack(quadrants, dim=2).flatten(1))


def test_runs_on_any_size_and_names_its_maps():
    config = ExemplarCNNConfig(conv_channels=(4, 6), out_features=["convolution1", "convolution2", "quadrants"])
    backbone = ExemplarCNNBackbone(config).eval()
    maps = backbone(torch.randn(1, 3, 21, 40)).feature_maps
    assert [tuple(one.shape[1:]) for one in maps] == [(4, 10, 20), (6, 5, 10), (24, 1, 1)]
    assert backbone.strides == [2, 4, 0]
    with pytest.raises(ValueError, match="at least 4 pixels a side"):
        backbone(torch.randn(1, 3, 3, 40))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conv_channels": ()}, "conv_channels must be one or more positive"),
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"quadrants": 0}, "quadrants must be at least 1"),
        ({"image_size": 3}, "image_size must be at least 4"),
        ({"pooling": "median"}, "pooling"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        ExemplarCNNConfig(**fields)
