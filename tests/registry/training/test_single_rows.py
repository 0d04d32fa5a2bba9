"""Batch norms that see one value a channel: the last batch of an epoch that holds one row."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from tsugiki.training.single_rows import single_rows_normalised


def test_a_row_alone_is_normalised_by_running_statistics_and_others_as_ever():
    torch.manual_seed(0)
    norm, reference = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    norm.running_mean += 0.5
    reference.load_state_dict(norm.state_dict())
    row, rows = torch.randn(1, 3, 1, 1), torch.randn(4, 3, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(row)
    with single_rows_normalised(norm):
        assert torch.equal(norm(row), reference.eval()(row))
        assert norm.training
        assert torch.equal(norm(rows), reference.train()(rows))
        larger = torch.randn(1, 3, 2, 2)
        assert torch.equal(norm(larger), reference(larger))
    assert torch.equal(norm.running_mean, reference.running_mean)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(row)
