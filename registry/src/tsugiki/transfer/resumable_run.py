"""The unfinished run of a fine-tuning: what is done is written down, and the same command continues after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..output import write_json
from ..task import Task
from ..tensor_table import TensorTable
from ..training.fit import fit
from ..training.job import FitResult, TrainingJob
from ..training.phases import run_phase
from ..training.processes import is_main_process
from ..training.resumable import has_progress
from .stages import only_top_trained, parameter_groups

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FOLDER = "run"
_DONE = "done.json"


@dataclass(frozen=True)
class Schedule:
    """How long and in which pieces a network is trained.

    Attributes:
        arguments: Fields of `TrainingArguments`.
        repeats: How often the rows are repeated within what the Trainer calls an epoch.
        decay: Factor of the learning rate from one stage to the next lower.
        checkpoints: Whether to write checkpoints on the way.
    """

    arguments: Mapping[str, Any]
    repeats: int
    decay: float
    checkpoints: bool = False


class ResumableRun:
    """What a fine-tuning has done so far, in ``<output>.partial/run``.

    Args:
        partial: The unfinished output.
        task: The task, to validate with.
        progress: Show progress bars.
    """

    def __init__(self, partial: Path, task: Task, *, progress: bool = True) -> None:
        self.folder = partial / FOLDER
        self.task = task
        self.progress = progress
        self._done = _steps(partial)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """The result of a step, made now unless an earlier run has made it.

        Args:
            key: Name of the step.
            make: Gives plain data.
        """
        if key not in self._done:
            self._done[key] = make()
            if is_main_process():
                self.folder.mkdir(exist_ok=True)
                write_json(self.folder / _DONE, self._done)
        return self._done[key]

    def fit(
        self,
        key: str,
        model: PreTrainedModel,
        train: TensorTable,
        *,
        depth: int,
        learning_rate: float,
        schedule: Schedule,
        validation: TensorTable | None = None,
        new: Sequence[str] = (),
    ) -> FitResult:
        """Train the head and `depth` stages in place, unless an earlier run has.

        Args:
            key: Name of the step.
            model: The model.
            train: Training rows.
            depth: How many stages are trained besides the head.
            learning_rate: Of the head and the highest stage.
            schedule: The schedule.
            validation: Rows to validate on during training, where the options ask for it.
            new: Names of parameters that are trained at any depth.
        """
        arguments = {**schedule.arguments, "learning_rate": learning_rate}
        if schedule.checkpoints:
            arguments = {"save_strategy": "epoch", "save_total_limit": 1, **arguments}
        job = TrainingJob(
            train,
            self.folder / key,
            arguments,
            task=self.task if validation is not None else None,
            validation=validation,
            progress=self.progress,
            title=key.replace("-", " "),
        )

        def train_top(model: PreTrainedModel, job: TrainingJob) -> FitResult:
            return train_to_depth(model, job, depth=depth, decay=schedule.decay, new=new)

        return run_phase(model, job, train_top)


def train_to_depth(
    model: PreTrainedModel, job: TrainingJob, *, depth: int, decay: float, new: Sequence[str] = ()
) -> FitResult:
    """Train the head and `depth` stages in place; the model is on the CPU afterwards.

    Args:
        model: The model.
        job: Its ``learning_rate`` is that of the head and the highest stage.
        depth: How many stages are trained besides the head.
        decay: Factor of the rate from one stage to the next lower.
        new: Names of parameters that are trained at any depth.
    """
    rate, weight_decay = float(job.arguments["learning_rate"]), float(job.arguments.get("weight_decay", 0.0))
    with only_top_trained(model, depth, new) as frozen:
        groups = parameter_groups(model, depth, learning_rate=rate, decay=decay, weight_decay=weight_decay, new=new)
        result = fit(model, job, parameter_groups=groups, frozen=frozen)
    model.to("cpu")  # type: ignore[arg-type]
    return result


def has_steps(partial: Path) -> bool:
    """Whether there is anything that a later run could continue from."""
    return has_progress(partial / FOLDER) or any(key != "estimate" for key in _steps(partial))


def _steps(partial: Path) -> dict[str, Any]:
    """The results of steps, by name."""
    done = partial / FOLDER / _DONE
    return json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
