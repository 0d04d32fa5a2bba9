from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from tsugiki.classifier_head import classifier_head


def test_linear_head_is_one_layer():
    head = classifier_head(SimpleNamespace(classifier="linear", classifier_hidden_size=9, num_labels=3), 5)
    assert isinstance(head, nn.Linear)
    assert head.weight.shape == (3, 5)


def test_mlp_head_is_linear_relu_linear():
    head = classifier_head(SimpleNamespace(classifier="mlp", classifier_hidden_size=9, num_labels=3), 5)
    features = torch.randn(2, 5)
    first, _, last = head
    assert torch.equal(head(features), last(first(features).clamp(min=0)))
    assert [tuple(value.shape) for value in head.parameters()] == [(9, 5), (9,), (3, 9), (3,)]


@pytest.mark.parametrize("num_labels", [0, None])
def test_head_without_labels_is_refused(num_labels):
    with pytest.raises(ValueError, match="names no labels"):
        classifier_head(SimpleNamespace(classifier="linear", classifier_hidden_size=9, num_labels=num_labels), 5)
