from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.nn import functional as F
from tsugiki_vision.classifiers.nin import NINBackbone, NINConfig, NINForImageClassification


def test_has_the_parameters_of_the_papers_layers():
    """Each k x k convolution from C to M channels has M (k k C + 1) of them."""
    layers = [(5, 3, 192), (1, 192, 160), (1, 160, 96), (5, 96, 192), (1, 192, 192), (1, 192, 192)]
    layers += [(3, 192, 192), (1, 192, 192), (1, 192, 10)]
    expected = sum(out * (kernel**2 * into + 1) for kernel, into, out in layers)
    assert NINForImageClassification(NINConfig(num_labels=10)).num_parameters() == expected == 966_986


def test_classifier_on_the_mean_is_the_last_convolution_of_the_paper():
    model = NINForImageClassification(NINConfig(width_multiplier=0.05, num_labels=4)).eval()
    pixel_values = torch.randn(3, 3, 20, 20)
    maps = model.nin(pixel_values).last_hidden_state
    per_class = F.conv2d(maps, model.classifier.weight[:, :, None, None], model.classifier.bias)
    torch.testing.assert_close(model(pixel_values).logits, per_class.mean((2, 3)))


def test_a_block_is_a_perceptron_at_every_place():
    """The two 1x1 convolutions act on each place alone (section 3.1)."""
    block = NINForImageClassification(NINConfig(width_multiplier=0.05, dropout=0)).nin.stages[2]
    maps = torch.randn(1, block[0].in_channels, 5, 5)
    patch = maps[:, :, 1:4, 2:5].flatten()
    hidden = torch.relu(block[0].weight.flatten(1) @ patch + block[0].bias)
    hidden = torch.relu(block[3].weight.flatten(1) @ hidden + block[3].bias)
    torch.testing.assert_close(block(maps)[0, :, 2, 3], hidden)


def test_pools_by_maximum_then_by_mean_and_halves_twice():
    backbone = NINBackbone(NINConfig(width_multiplier=0.02, out_indices=[0, 1, 2]))
    kinds = [[type(layer) for layer in stage if "Pool" in type(layer).__name__] for stage in backbone.nin.stages]
    assert kinds == [[nn.MaxPool2d], [nn.AvgPool2d], []]
    assert [one.shape[-1] for one in backbone(torch.randn(1, 3, 32, 32)).feature_maps] == [16, 8, 8]
    assert backbone.strides == [2, 4, 4]


def test_means_at_the_border_are_of_the_places_that_are_there():
    model = NINForImageClassification(NINConfig(width_multiplier=0.02))
    pooled = model.nin.stages[1][-2](torch.ones(1, 1, 16, 16))
    assert torch.equal(pooled, torch.ones(1, 1, 8, 8))


def test_four_blocks_with_strides_take_large_pictures():
    config = NINConfig(
        block_channels=((8, 4), (8, 4), (8, 4), (8,)),
        kernel_sizes=(11, 5, 3, 3),
        strides=(4, 1, 1, 1),
        pooling="max",
        out_indices=[-1],
    )
    backbone = NINBackbone(config)
    assert not any(isinstance(module, nn.AvgPool2d) for module in backbone.modules())
    assert backbone(torch.randn(1, 3, 224, 224)).feature_maps[0].shape == (1, 8, 7, 7)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block_channels": ()}, "block_channels must be one or more lists"),
        ({"block_channels": ((8, 0),)}, "block_channels must be one or more lists of positive"),
        ({"kernel_sizes": (5, 5)}, "kernel_sizes must be a positive number for each of the 3"),
        ({"width_multiplier": 0}, "width_multiplier must be above 0"),
        ({"dropout": 1}, "dropout must be at least 0 and below 1"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        NINConfig(**fields)
