"""Fine-tuning: a trained network, one's own data, and a snapshot with its card at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cards.snapshot_files import foreign_part
from ..cards.snapshot_writer import write_snapshot
from ..data.load_data import local_paths
from ..data.splitting import class_counts
from ..durations import Stopwatch
from ..errors import OptionError, OutputError
from ..evaluation import task_named
from ..evaluation.evaluate import predict_table, task_of
from ..fingerprint import tensors_fingerprint
from ..metrics import Metric
from ..output import check_output
from ..predictions import Predictions
from ..public_record import public_model_name
from ..records import plain, read_record
from ..snapshots.transfer_record import DepthChoice
from ..tasks.classification import Classification
from ..training.processes import is_main_process, of_main_process, wait_for_all
from ..training.resumable import resumable_output
from .baseline import train_from_scratch
from .depth import choose_depth
from .estimate import Estimate, estimate
from .finished_training import command_of, finished_training
from .graft import graft
from .options import LIGHT, Options, read_options
from .report import Report
from .resumable_run import ResumableRun, has_steps
from .splits import Splits, read_splits
from .stages import check_stages, depth_name, parse_depth
from .tuning import (
    TRANSFER,
    HeadFitter,
    Tuned,
    can_search,
    rates_for,
    schedule_for,
    tune,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


SECONDS_WORTH_A_CHECKPOINT = 60  # of one training; a shorter one is repeated sooner than its checkpoints are written

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneResult:
    """What a fine-tuning gives.

    Attributes:
        model: The fine-tuned model, in eval mode on the CPU.
        metrics: What was measured on rows that took no part in training or choosing.
        depth: ``head``, the number of stages that were trained besides it, or ``all``.
        report: What was tried and why the choices fell; `str(report)` is for a person.
        path: The snapshot.
        seconds: Wall time.
    """

    model: PreTrainedModel
    metrics: dict[str, Metric]
    depth: str | int
    report: Report
    path: Path
    seconds: float


def finetune(
    name: str | Path, data: Any, *, output_dir: str | Path, depth: str | int = "auto", **options: Any
) -> FinetuneResult:
    """Set a new head on a trained model and train as much of it as the data pays for.

    The data is checked; a part that takes no part in training or choosing is kept back to measure on. The head is
    fitted on features that the frozen network computes once. Where the depth is more than the head, the stages below
    it are then trained as well, lower ones at lower learning rates. The output appears whole or not at all; a killed
    run continues with the same call.

    Args:
        name: The base model, as `tsugiki.load` takes it.
        data: A Hub id, a folder (of class folders, parquet, csv or json files), a `Dataset` or a `DatasetDict`.
        output_dir: Folder of the new snapshot.
        depth: ``head``, the number of stages to train besides it, ``all``, or ``auto`` to choose by measurement.
        **options: Fields of `TrainingArguments` by their own names, and those of `tsugiki.transfer.options.Options`,
            such as ``head``, ``device``, ``validation``, ``test``, ``augmentation`` and ``compare_scratch``.

    Returns:
        The model, what was measured, and the report.

    Raises:
        OptionError: An option or the depth is unknown or out of range.
        DataError: The data is missing, damaged, or lacks a column or a class.
        UnknownNameError: There is no such model.
        OutputError: The output exists already, is or holds what is read, lies in it, or cannot be written.

    Example:
        >>> import tsugiki
        >>> result = tsugiki.finetune("lenet5-mnist", "photos/", output_dir="my-model")
        >>> print(result.report)
    """
    stopwatch = Stopwatch()
    chosen = read_options(options)
    reads = local_paths(data, name)
    foreign = foreign_part if chosen.overwrite else None
    output = check_output(output_dir, foreign=foreign, reads=reads)
    base, processor, task = _base(name)
    stages = [stage.name for stage in check_stages(base)]
    asked = parse_depth(depth, len(stages))
    clock = Clock()
    with clock("data"):
        splits = read_splits(data, task, processor, chosen)
    if chosen.augmentation is LIGHT and not _has_pictures(splits):
        chosen = replace(chosen, augmentation=None)  # shifts and turns are of pictures
    identity = {
        "base": tensors_fingerprint(base.state_dict()),
        "data": plain([splits.learning, splits.test_record]),
        "depth": asked,
        "options": {
            key: value for key, value in asdict(chosen).items() if key not in ("progress", "overwrite", "test")
        },
    }
    made = {"foreign": foreign, "reads": reads, "keep": has_steps, "replace": True}
    with resumable_output(output, identity, **made) as (place, is_in_place):
        run = ResumableRun(place.folder, task, progress=chosen.progress and is_main_process())
        model, report, predictions = _transfer(
            run, public_model_name(name), base, task, splits, chosen, asked, stages, clock
        )
        if is_main_process() and not is_in_place:
            folder = place.begin()
            named = depth_name(asked, len(stages)) if asked is not None else "auto"
            finished = finished_training(
                folder,
                model,
                processor,
                task,
                splits,
                predictions,
                report,
                chosen,
                name=output.name,
                command=command_of(str(name), data, output_dir, named, options),
            )
            write_snapshot(folder, finished)
    wait_for_all()
    model.config._name_or_path = str(output)
    for line in report.lines():
        logger.info(line)
    shown = report.depth_name
    return FinetuneResult(
        model=model,
        metrics=dict(report.metrics),
        depth=int(shown) if shown.isdigit() else shown,
        report=report,
        path=output,
        seconds=stopwatch.seconds,
    )


def _has_pictures(splits: Splits) -> bool:
    pixels = splits.train.columns.get("pixel_values")
    return pixels is not None and pixels.ndim == 4


def _classification(model: PreTrainedModel) -> Classification:
    """The task of a classifier; what has no classes for a new head to tell apart is refused."""
    task = task_named(task_of(model))
    if not isinstance(task, Classification):
        raise OptionError(
            f"{type(model).__name__} does {task.name}, and finetune sets new heads on classifiers; `tsugiki train` "
            "makes such a model from a recipe"
        )
    return task


def _base(name: str | Path) -> tuple[PreTrainedModel, Any, Classification]:
    """The base model, its processor and its task."""
    from ..snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    base = snapshot.model()
    return base, snapshot.processor(), _classification(base)


def _transfer(
    run: ResumableRun,
    name: str,
    base: PreTrainedModel,
    task: Classification,
    splits: Splits,
    options: Options,
    asked: int | None,
    stages: list[str],
    clock: Clock,
) -> tuple[PreTrainedModel, Report, Predictions]:
    """Everything between decoded data and a measured model."""
    fields, num_labels = task.config_fields(splits.label_names), len(splits.label_names)
    grafted = graft(base, fields)
    most = len(stages) if asked is None else asked
    schedule = schedule_for(options, len(splits.train))
    with clock("estimate"):
        searches = len(rates_for(options)) > 1 and (
            splits.validation is not None or can_search(splits.train, num_labels)
        )
        trainings = len(rates_for(options)) + (splits.validation is None) if searches else 1
        cost = Estimate(
            **run.once(
                "estimate",
                lambda: of_main_process(
                    estimate(
                        grafted,
                        splits.train,
                        depth=most,
                        schedule=schedule,
                        trainings=trainings,
                        device=options.device,
                        exact=asked is not None,
                        taken=splits.memory,
                    ).to_dict()
                ),
            )
        )
    _say(options, str(cost))
    if cost.trainings and cost.seconds / cost.trainings > SECONDS_WORTH_A_CHECKPOINT:
        schedule = schedule_for(options, len(splits.train), checkpoints=True)

    choice = None
    if asked is None:
        with clock("depth"):
            chosen = run.once(
                "depth",
                lambda: plain(choose_depth(grafted, splits.train, options, num_labels=num_labels)),
            )
            choice = read_record(DepthChoice, chosen, "depth", OutputError)
        _say(options, f"depth {depth_name(choice.depth, len(stages))}: {choice.why}")
    depth = choice.depth if choice is not None else most

    with clock("head"):
        heads = HeadFitter(grafted, splits.train, options, num_labels)
        head = heads.fit()
    with clock("training"):
        if depth == 0:
            tuned = Tuned(heads.start(None), None, [], "", None, 0.0)
        else:
            tuned = tune(
                run,
                TRANSFER,
                heads.start,
                splits.train,
                splits.validation,
                depth=depth,
                rates=rates_for(options),
                schedule=schedule,
                options=options,
                num_labels=num_labels,
            )
    predictions = measure(tuned.model, splits)
    scratch, scratch_metrics = None, None
    if options.compare_scratch:
        with clock("scratch"):
            scratch = train_from_scratch(
                run,
                base,
                fields,
                splits.train,
                splits.validation,
                schedule=schedule,
                options=options,
                num_labels=num_labels,
            )
        scratch_metrics = task.metrics(measure(scratch.model, splits))
    counts = class_counts(splits.train.labels, num_labels)
    report = Report(
        base=name,
        stages=stages,
        depth=depth,
        asked="auto" if asked is None else depth_name(asked, len(stages)),
        choice=choice,
        examples_per_class=[int(counts.min()), int(counts.max())],
        rows={
            "train": len(splits.train),
            "validation": 0 if splits.validation is None else len(splits.validation),
            "test": len(splits.test),
        },
        measured_on=splits.measured_on,
        files=splits.files,
        head=head,
        tuned=tuned,
        scratch=scratch,
        metrics=task.metrics(predictions),
        scratch_metrics=scratch_metrics,
        estimate=cost,
        augmentation={} if options.augmentation is None else options.augmentation.to_dict(),
        seconds=clock.seconds,
    )
    return tuned.model, report, predictions


def measure(model: PreTrainedModel, splits: Splits) -> Predictions:
    """What a model says about the test rows, in fp32 on the CPU."""
    return predict_table(model.float(), splits.test, device="cpu")


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


def _say(options: Options, text: str) -> None:
    logger.info(text)
    if options.progress and is_main_process():
        print(text, file=sys.stderr)
