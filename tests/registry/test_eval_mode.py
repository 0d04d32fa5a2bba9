"""Eval mode for a while."""

from __future__ import annotations

import pytest
from torch import nn
from tsugiki.eval_mode import eval_mode


def test_each_part_gets_its_own_mode_back_whatever_happens():
    network = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.BatchNorm1d(1), nn.Dropout()))
    network.train()
    network[1][0].eval()  # a frozen part of a network that trains
    before = [module.training for module in network.modules()]
    with pytest.raises(KeyError), eval_mode(network):
        assert not any(module.training for module in network.modules())
        raise KeyError
    assert [module.training for module in network.modules()] == before
