"""A training job: what a trainer is given besides the model, and what it leaves besides the weights.

A trainer is a function ``(model, job) -> FitResult`` that changes the model in place. `tsugiki.training.fit.fit` is the
one for all that learns by gradient steps on its loss; a family names others in `tsugiki.plugin.Family.trainers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..task import Task
from ..tensor_table import TensorTable
from .options import Options, read_options, split_options
from .processes import number_of_processes


@dataclass(frozen=True)
class TrainingJob:
    """What a trainer is given besides the model.

    A job whose process was killed continues when the same job is started again, and ends with the same weights.

    Attributes:
        train: Training rows, augmented if the table says so.
        output_dir: Folder of the run, for what a killed one continues from.
        arguments: Options by name: the trainer's own, and of gradient descent those of `tsugiki.training.fit.fit`.
        task: Scores the validation.
        processor: The model's tokenizer, image processor or feature extractor.
        validation: Rows to validate on.
        resume: Continue from what an earlier run left in `output_dir`.
        progress: Show a progress bar.
        title: What the bar calls the run.
    """

    train: TensorTable
    output_dir: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: Task | None = None
    processor: Any = None
    validation: TensorTable | None = None
    resume: bool = True
    progress: bool = True
    title: str = "training"

    def __post_init__(self) -> None:
        object.__setattr__(self, "output_dir", Path(self.output_dir))

    @property
    def seed(self) -> int:
        """The seed of the arguments, 0 where they have none.

        Raises:
            OptionError: It is no whole number of at least 0.
        """
        seed = self.arguments.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise OptionError(f"seed must be a whole number of at least 0, not {seed!r}")
        return seed

    def phase(self, name: str, **changes: Any) -> TrainingJob:
        """The job of one of several phases, in a folder of its own and with its name in the title.

        Args:
            name: Name of the phase and of its folder.
            **changes: Attributes in which it differs from this job.
        """
        return replace(self, **{"output_dir": self.output_dir / name, "title": f"{self.title}: {name}", **changes})

    def read_options(self, kind: type[Options]) -> Options:
        """The options of a trainer that takes no others but a seed.

        Raises:
            OptionError: An argument is unknown, with the nearest that exists, or out of range.
        """
        return read_options(self.arguments, kind)

    def split_options(self, kind: type[Options]) -> tuple[Options, TrainingJob]:
        """A trainer's own options, and the job with the other arguments, which are another trainer's.

        Raises:
            OptionError: One of its own is out of range.
        """
        options, rest = split_options(self.arguments, kind)
        return options, replace(self, arguments=rest)


@dataclass(frozen=True)
class FitResult:
    """What a training run leaves besides the weights; without gradient steps, as most defaults say.

    Attributes:
        seconds: Wall time of steps and validations, earlier parts of a resumed run included.
        history: One entry per epoch: ``epoch``, ``loss``, ``learning_rate``, and ``eval_*`` where there is validation.
        steps: Optimizer steps taken in all, earlier parts of a resumed run included.
        processes: Number of processes.
        best_metric: Best validation figure, where there is validation and a task.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: Such as ``cpu`` or ``cuda:0``.
    """

    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    processes: int = field(default_factory=number_of_processes)
    best_metric: float | None = None
    precision: str = "fp32"
    device: str = "cpu"
