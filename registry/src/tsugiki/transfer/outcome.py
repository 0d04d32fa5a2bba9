"""What the two ways of fine-tuning share: what they are given, how steps are timed and announced, what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..durations import Stopwatch
from ..errors import OutputError
from ..evaluation.caveats import caveats
from ..evaluation.evaluate import predict_table
from ..predictions import Predictions
from ..records import plain, read_record
from ..snapshots.transfer_record import BaseChoice, DepthChoice
from ..task import Task
from ..training.processes import of_main_process
from .announce import say
from .baseline import train_from_scratch
from .choosing import Choice
from .estimate import Estimate
from .heads import Head
from .options import Options
from .report import Report
from .resumable_run import ResumableRun, Schedule
from .splits import Splits
from .stages import depth_name
from .tuning import Tuned, rates_for

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SECONDS_WORTH_A_CHECKPOINT = 60  # of one training; a shorter one is repeated sooner than its checkpoints are written


@dataclass(frozen=True)
class Outcome:
    """A fine-tuned model, how it came about, and what it says about the test rows."""

    model: PreTrainedModel
    report: Report
    predictions: Predictions


class Clock:
    """Wall time by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time the block."""
        stopwatch = Stopwatch(self.seconds.get(phase, 0.0))
        yield
        self.seconds[phase] = stopwatch.seconds


@dataclass(frozen=True)
class Transfer:
    """A fine-tuning that has its data and its options.

    Attributes:
        run: The run, which a kill interrupts and the same call continues.
        name: Of the base model.
        base: The base model.
        task: Its task.
        splits: The data.
        options: The options.
        asked: The depth that was asked for; None chooses it.
        stages: Names of the base's stages.
        clock: Takes the time of each phase.
        base_choice: How the base was chosen, where nobody named it.
    """

    run: ResumableRun
    name: str
    base: PreTrainedModel
    task: Task
    splits: Splits
    options: Options
    asked: int | None
    stages: list[str]
    clock: Clock
    base_choice: BaseChoice | None = None

    @property
    def most(self) -> int:
        """The largest depth that may be trained."""
        return len(self.stages) if self.asked is None else self.asked

    def trainings(self, choice: Choice) -> int:
        """How many trainings the search over learning rates takes, the final one included."""
        rates, validation = rates_for(self.options), self.splits.validation
        if len(rates) == 1 or (validation is None and not choice.can_hold_out(self.splits.train)):
            return 1
        return len(rates) + (validation is None)

    def estimate(self, measured: Callable[[], Estimate]) -> Estimate:
        """Measure once what it will take, and say it."""
        with self.clock("estimate"):
            cost = Estimate(**self.run.once("estimate", lambda: of_main_process(measured().to_dict())))
        say(self.options, str(cost))
        return cost

    def choose_depth(self, measured: Callable[[], DepthChoice]) -> tuple[int, DepthChoice | None]:
        """The depth that was asked for, or else the one that is chosen, once, and why."""
        if self.asked is not None:
            return self.asked, None
        with self.clock("depth"):
            choice = read_record(DepthChoice, self.run.once("depth", lambda: plain(measured())), "depth", OutputError)
        say(self.options, f"depth {depth_name(choice.depth, len(self.stages))}: {choice.why}")
        return choice.depth, choice

    def outcome(
        self,
        tuned: Tuned,
        make_fresh: Callable[[], PreTrainedModel],
        *,
        depth: int,
        chosen: DepthChoice | None,
        choice: Choice,
        schedule: Schedule,
        cost: Estimate,
        rows: Mapping[str, int],
        head: Head | None = None,
        examples_per_class: list[int] | None = None,
        adapted: str = "",
    ) -> Outcome:
        """Measure the tuned network on the test rows, and one from scratch where it was asked for; report on both.

        Args:
            tuned: The training.
            make_fresh: Gives the network with fresh weights.
            depth: How many stages were trained besides the head.
            chosen: Why, where nobody asked for it.
            choice: How candidates are compared.
            schedule: The schedule of the training.
            cost: The estimate.
            rows: Their number by use.
            head: That was fitted on features.
            examples_per_class: The fewest and the most.
            adapted: What became of the labels or the vocabulary.
        """
        task, splits, options = self.task, self.splits, self.options
        predictions = measure(tuned.model, splits, task)
        scratch, scratch_metrics = None, None
        if options.compare_scratch:
            with self.clock("scratch"):
                scratch = train_from_scratch(
                    self.run,
                    make_fresh,
                    splits.train,
                    splits.validation,
                    schedule=schedule,
                    options=options,
                    choice=choice,
                )
            scratch_metrics = task.metrics(measure(scratch.model, splits, task))
        metrics = task.metrics(predictions)
        report = Report(
            base=self.name,
            stages=self.stages,
            depth=depth,
            asked="auto" if self.asked is None else depth_name(self.asked, len(self.stages)),
            choice=chosen,
            examples_per_class=examples_per_class or [],
            rows=dict(rows),
            measured_on=splits.measured_on,
            files=splits.files,
            head=head,
            tuned=tuned,
            scratch=scratch,
            metrics=metrics,
            caveats=[*caveats(task, predictions, metrics, scratch_metrics), *splits.caveats],
            scratch_metrics=scratch_metrics,
            estimate=cost,
            augmentation={} if options.augmentation is None else options.augmentation.to_dict(),
            seconds=self.clock.seconds,
            adapted=adapted,
            base_choice=self.base_choice,
        )
        return Outcome(tuned.model, report, predictions)


def measure(model: PreTrainedModel, splits: Splits, task: Task) -> Predictions:
    """What a model says about the test rows, in fp32 on the CPU."""
    return predict_table(model.float(), splits.test, device="cpu", task=task)
