"""What trainers have in common that take no gradient steps: their options, and the record of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import OptionError, did_you_mean
from .fit import FitResult

HARNESS = ("seed", "save_strategy", "save_total_limit")  # set by whoever runs a recipe, whatever its family


def read_options(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Split training arguments into a trainer's own options and the seed.

    Args:
        arguments: The `training` of a recipe, with a seed.
        defaults: The trainer's own options.

    Returns:
        Every option of `defaults` with its value, and the seed.

    Raises:
        OptionError: An argument is none of these; those of gradient descent mean nothing here.
    """
    for name in arguments:
        if name not in defaults and name not in HARNESS:
            have = ", ".join(defaults) or "none"
            raise OptionError(
                f"training option {name!r} is unknown to this family, which is not trained by gradient descent; its "
                f"options: {have}.{did_you_mean(name, defaults)}"
            )
    options = {name: arguments.get(name, value) for name, value in defaults.items()}
    return options, int(arguments.get("seed", 0))


def closed_form_result(seconds: float, *, device: str = "cpu", best_metric: float | None = None) -> FitResult:
    """The record of a training without steps."""
    return FitResult(
        history=[],
        seconds=seconds,
        steps=0,
        processes=int(os.environ.get("WORLD_SIZE", "1")),  # all of them compute the same
        best_metric=best_metric,
        precision="fp32",
        device=device,
    )
