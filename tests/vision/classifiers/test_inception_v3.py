from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from tsugiki_vision.classifiers.inception_v3 import (
    InceptionV3Backbone,
    InceptionV3Config,
    InceptionV3ForImageClassification,
)

from ..same_network import assert_same, assert_same_gradients, copy_in_order, randomise, train_without_chance
from ..torchvision_reference import torchvision_models


@pytest.mark.parametrize(("auxiliary", "parameters"), [(False, 23_834_568), (True, 27_161_264)])
def test_has_the_parameters_of_torchvision(auxiliary, parameters):
    with torch.device("meta"):
        model = InceptionV3ForImageClassification(InceptionV3Config(num_labels=1000, auxiliary_heads=auxiliary))
    assert model.num_parameters() == parameters


def pair(**fields):
    """torchvision's network and ours with the same weights, and whose name is whose."""
    auxiliary = fields.get("auxiliary_heads", False)
    theirs = torchvision_models().Inception3(num_classes=5, aux_logits=auxiliary, init_weights=False)
    randomise(theirs)
    ours = InceptionV3ForImageClassification(InceptionV3Config(num_labels=5, **fields))
    heads = {"last": ("fc.", "AuxLogits."), "our_last": ("classifier.", "auxiliary_heads.")}
    return ours, theirs, copy_in_order(theirs, ours, **heads)


def test_equals_torchvision():
    ours, theirs, names = pair()
    pixel_values = torch.randn(2, 3, 107, 107, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([1, 4]))


def test_auxiliary_loss_and_its_gradients_equal_torchvision():
    ours, theirs, names = pair(auxiliary_heads=True, dropout=0.0)
    train_without_chance(ours, theirs)
    pixel_values = torch.randn(1, 3, 299, 299, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([4])
    expected = theirs(pixel_values)
    total = F.cross_entropy(expected.logits, labels) + 0.4 * F.cross_entropy(expected.aux_logits, labels)
    output = ours(pixel_values, labels=labels)
    torch.testing.assert_close(output.logits, expected.logits, rtol=0, atol=1e-4 * expected.logits.abs().max().item())
    torch.testing.assert_close(output.loss, total, rtol=1e-4, atol=1e-4)
    total.backward()
    output.loss.backward()
    assert_same_gradients(ours, theirs, names)


def test_auxiliary_head_needs_pictures_of_299_pixels_in_training():
    config = InceptionV3Config(width_multiplier=0.02, num_labels=2, auxiliary_heads=True)
    model = InceptionV3ForImageClassification(config).train()
    model(torch.randn(2, 3, 299, 299), labels=torch.tensor([0, 1])).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(ValueError, match="at least 299 pixels a side"):
        model(torch.randn(2, 3, 298, 298), labels=torch.tensor([0, 1]))
    pixel_values, labels = torch.randn(2, 3, 75, 75), torch.tensor([0, 1])
    output = model.eval()(pixel_values, labels=labels)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, labels))


def test_stages_are_named_after_their_grids():
    backbone = InceptionV3Backbone(InceptionV3Config(width_multiplier=0.02, out_indices=[0, 1, 2, 3])).eval()
    assert [one.shape[-1] for one in backbone(torch.randn(1, 3, 299, 299)).feature_maps] == [35, 35, 17, 8]
    assert backbone.strides == [8, 8, 16, 32]


def test_minimum_size_is_the_smallest_that_runs():
    model = InceptionV3ForImageClassification(InceptionV3Config(width_multiplier=0.02, num_labels=2)).eval()
    assert model(torch.randn(1, 3, 75, 75)).logits.shape == (1, 2)
    with pytest.raises(ValueError, match="at least 75 pixels a side"):
        model(torch.randn(1, 3, 74, 74))
    with pytest.raises(RuntimeError):
        hidden = torch.randn(1, 3, 74, 74)
        for stage in model.inception_v3.stages:
            hidden = stage(hidden)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_size": 74}, "image_size must be at least 75"),
        ({"image_size": 224, "auxiliary_heads": True}, "image_size must be at least 299"),
        ({"width_multiplier": -1}, "width_multiplier and norm_eps must be above 0"),
        ({"dropout": 1.0}, "dropout must be at least 0"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        InceptionV3Config(**fields)
