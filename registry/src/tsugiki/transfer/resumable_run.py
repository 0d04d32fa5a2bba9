"""The unfinished run of a fine-tuning: what is done is written down, and the same command continues after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from ..output import write_json
from ..task import Task
from ..tensor_table import TensorTable
from ..training.fit import FitResult, fit, is_main_process, wait_for_all
from .stages import only_top_trained, parameter_groups

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FOLDER = "run"
_DONE = "done.json"
_WEIGHTS = "weights.safetensors"


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
        identity: What makes two runs the same: another base, other data or other options start anew.
        task: The task, to validate with.
        progress: Show progress bars.
    """

    def __init__(self, partial: Path, identity: Mapping[str, Any], task: Task, *, progress: bool = True) -> None:
        self.folder = partial / FOLDER
        self.task = task
        self.progress = progress
        key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
        done = self.folder / _DONE
        self._done: dict[str, Any] = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
        wait_for_all()  # no process may start anew before all have read
        if self._done.get("identity") != key:
            self._done = {"identity": key}
            if is_main_process():
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
        self._write()
        wait_for_all()

    @property
    def resumed(self) -> bool:
        """Whether an earlier, killed run left results."""
        return len(self._done) > 1

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """The result of a step, made now unless an earlier run has made it.

        Args:
            key: Name of the step.
            make: Gives plain data.
        """
        if key not in self._done:
            self._done[key] = make()
            self._write()
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
        keep: bool = False,
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
            keep: Keep the weights for a later resume.
        """
        folder = self.folder / key
        if key in self._done and not (keep and not (folder / _WEIGHTS).exists()):
            if keep:
                model.load_state_dict(load_file(folder / _WEIGHTS))
            return FitResult(**self._done[key])
        arguments = {**schedule.arguments, "learning_rate": learning_rate}
        if schedule.checkpoints:
            arguments = {"save_strategy": "epoch", "save_total_limit": 1, **arguments}
        weight_decay = float(arguments.get("weight_decay", 0.0))
        with only_top_trained(model, depth) as frozen:
            result = fit(
                model,
                train,
                output_dir=folder,
                arguments=arguments,
                validation=validation,
                task=self.task if validation is not None else None,
                parameter_groups=parameter_groups(
                    model, depth, learning_rate=learning_rate, decay=schedule.decay, weight_decay=weight_decay
                ),
                frozen=frozen,
                progress=self.progress,
                title=key.replace("-", " "),
            )
        model.to("cpu")  # type: ignore[arg-type]
        if is_main_process():
            for checkpoint in folder.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
            if keep:
                folder.mkdir(parents=True, exist_ok=True)
                partial = folder / f"{_WEIGHTS}.partial"
                save_file({name: value.contiguous() for name, value in model.state_dict().items()}, partial)
                partial.replace(folder / _WEIGHTS)
        self._done[key] = asdict(result)
        self._write()
        return result

    def has_progress(self) -> bool:
        """Whether there is anything that a later run could continue from."""
        return any(key not in ("identity", "estimate") for key in self._done) or any(self.folder.glob("*/checkpoint-*"))

    def close(self) -> None:
        """Remove the run's files; the output is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        if is_main_process():
            write_json(self.folder / _DONE, self._done)


def of_main_process(value: Any) -> Any:
    """The main process's value, in every process: where clocks would make them disagree."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return value
    from accelerate.utils import broadcast_object_list

    shared: Sequence[Any] = broadcast_object_list([value])
    return shared[0]
