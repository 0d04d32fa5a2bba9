"""Trainings in phases: pre-training, then fine-tuning, each of which a killed run need not repeat."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..output import write_json
from .fit import FitResult, is_main_process, wait_for_all

if TYPE_CHECKING:
    from torch import nn

DONE = "phase.json"
_WEIGHTS = "phase.safetensors"


def run_phase(folder: str | Path, model: nn.Module, train: Callable[[], FitResult]) -> FitResult:
    """Train one phase, or take over what an earlier run left of it.

    Args:
        folder: The phase's own folder inside the run's; also for its checkpoints.
        model: What the phase changes, in place. Everything that later phases need of it must be in its state dict.
        train: Trains the phase; called unless it is done.

    Returns:
        What `train` returned, now or then.
    """
    from safetensors.torch import load_model, save_model

    place = Path(folder)
    done, weights = place / DONE, place / _WEIGHTS
    if done.exists():
        load_model(model, weights)
        return FitResult(**json.loads(done.read_text(encoding="utf-8")))
    place.mkdir(parents=True, exist_ok=True)
    result = train()
    if is_main_process():
        partial = weights.with_suffix(".partial")
        save_model(model, str(partial))
        partial.replace(weights)
        write_json(done, dataclasses.asdict(result))
        for checkpoint in place.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    wait_for_all()
    return result


def join_results(results: Sequence[FitResult]) -> FitResult:
    """One record of several phases: their histories one after the other with running epochs, times and steps added up.

    The last phase gives the validation figure and the precision.
    """
    history: list[dict[str, float]] = []
    epochs = 0.0
    for result in results:
        history += [{**entry, "epoch": entry["epoch"] + epochs} for entry in result.history]
        epochs += max((entry["epoch"] for entry in result.history), default=0.0)
    last = results[-1]
    return dataclasses.replace(
        last,
        history=history,
        seconds=sum(result.seconds for result in results),
        steps=sum(result.steps for result in results),
    )
