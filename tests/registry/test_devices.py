"""Devices by name."""

from __future__ import annotations

import pytest
import torch
from tsugiki.devices import check_device, moved
from tsugiki.errors import OptionError


@pytest.mark.parametrize(
    ("device", "said"),
    [("gpu", "'gpu' is unknown"), ("cuda", "use cpu"), ("cpu:1", "has 1 of cpu"), ("", "'' is unknown")],
)
def test_a_device_that_is_not_here_is_refused(device, said, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(OptionError, match=said):
        check_device(device)


def test_devices_of_another_kind_or_number_are_refused(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    check_device("cuda:1")
    with pytest.raises(OptionError, match="there is cuda"):
        check_device("mps")
    with pytest.raises(OptionError, match="has 2 of cuda"):
        check_device("cuda:2")


def test_a_model_is_moved_where_a_device_is_named():
    model = torch.nn.Linear(1, 1)
    assert moved(model, None) is model
    assert moved(model, "cpu") is model
