"""Trainings in phases: pre-training, then fine-tuning, each of which a killed run need not repeat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from .job import FitResult, TrainingJob
from .resumable import PHASE, StateFile, clear_checkpoints

if TYPE_CHECKING:
    from torch import nn

Model = TypeVar("Model", bound="nn.Module")


def run_phase(model: Model, job: TrainingJob, train: Callable[[Model, TrainingJob], FitResult]) -> FitResult:
    """Train one phase, or take over what an earlier run left of it.

    Args:
        model: What the phase changes, in place. Everything that later phases need of it must be in its state dict.
        job: The phase's own, as `TrainingJob.phase` makes it.
        train: Trains the phase; called unless it is done.

    Returns:
        What `train` returned, now or then.
    """
    state = StateFile(job.output_dir / PHASE, {})
    if job.resume and (found := state.read()) is not None:
        model.load_state_dict(found[0])
        return FitResult(**found[1])
    result = train(model, job)
    state.write({name: tensor.clone() for name, tensor in model.state_dict().items()}, dataclasses.asdict(result))
    clear_checkpoints(job.output_dir)
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
