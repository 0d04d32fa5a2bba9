from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from tsugiki_vision.inception_v3 import InceptionV3Backbone, InceptionV3Config, InceptionV3ForImageClassification

from .same_network import assert_same, copy_in_order, randomise
from .torchvision_reference import torchvision_models


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


def test_auxiliary_loss_equals_torchvision():
    ours, theirs, _ = pair(auxiliary_heads=True, dropout=0.0)
    for network in (ours, theirs):
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    pixel_values = torch.randn(1, 3, 299, 299, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([4])
    with torch.no_grad():
        expected = theirs(pixel_values)
        total = F.cross_entropy(expected.logits, labels) + 0.4 * F.cross_entropy(expected.aux_logits, labels)
        torch.testing.assert_close(ours(pixel_values, labels=labels).loss, total, rtol=1e-4, atol=1e-4)


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
