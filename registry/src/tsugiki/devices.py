"""Where a model computes: a device by its name, refused in one sentence where this machine has none."""

from __future__ import annotations

from typing import Any

from .errors import OptionError


def check_device(device: str) -> None:
    """Refuse a device that this machine has not.

    Args:
        device: Such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        OptionError: It is no device, or not one of this machine.
    """
    import torch

    try:
        kind, index = torch.device(device).type, torch.device(device).index
    except (RuntimeError, TypeError) as error:
        raise OptionError(f"device {device!r} is unknown; write cpu, cuda or cuda:0") from error
    here = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if kind != "cpu" and (here is None or here.type != kind):
        raise OptionError(f"device {device!r} is not on this machine; {'there is ' + here.type if here else 'use cpu'}")
    count = torch.accelerator.device_count() if kind != "cpu" else 1
    if index is not None and index >= count:
        raise OptionError(f"device {device!r} is not on this machine, which has {count} of {kind}; they count from 0")


def moved(model: Any, device: str | None) -> Any:
    """A model on a device, moved in place; where it is if that is None.

    Raises:
        OptionError: See `check_device`.
    """
    if device is None:
        return model
    check_device(device)
    return model.to(device)
