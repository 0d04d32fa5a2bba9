"""What a snapshot was made with: libraries, hardware, the checkout, and the plugins that its network needs."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registry import registry
from .provenance import Hardware

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PACKAGES = ("tsugiki", "torch", "transformers", "accelerate", "datasets", "numpy")


def versions(*distributions: str) -> dict[str, str]:
    """Versions of Python and of the libraries that shape a result."""
    found = {"python": platform.python_version()}
    for name in dict.fromkeys((*_PACKAGES, *distributions)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware(*, device: str, processes: int, precision: str) -> Hardware:
    """What this process runs on; `device` as torch writes it."""
    import torch

    name = torch.cuda.get_device_name() if device.startswith("cuda") else _processor_name()
    return Hardware(device.partition(":")[0], name, processes, torch.get_num_threads(), precision)


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit(folder: str | Path) -> str | None:
    """The git commit of the checkout that `folder` lies in, or None."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def today() -> str:
    """The date in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def required_distributions(config: Mapping[str, Any], own: str) -> list[str]:
    """Distributions that a network is put together from, besides its family's own.

    Args:
        config: Fields of its ``config.json``; the configs of its parts lie in it with their ``model_type``.
        own: The family's own distribution.

    Returns:
        Sorted names.
    """
    found: set[str] = set()
    for value in config.values():
        if isinstance(value, Mapping):
            if isinstance(model_type := value.get("model_type"), str):
                family = registry().family_of_model_type(model_type)
                found |= {family.distribution} if family is not None and not family.declaration.is_builtin else set()
            found.update(required_distributions(value, own))
    return sorted(found - {own})


def parameter_count(model: PreTrainedModel) -> int:
    """Number of parameters; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())
