"""Fine-tuning: a trained network, one's own data, and a snapshot with its card at the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..augmentation import Augmentation
from ..cards.snapshot_files import foreign_part
from ..cards.snapshot_writer import write_snapshot
from ..data.formats import reading_as
from ..data.load_data import local_paths
from ..durations import Stopwatch
from ..errors import OptionError
from ..fingerprint import tensors_fingerprint
from ..metrics import Metric, Metrics
from ..output import check_output
from ..public_record import public_model_name
from ..records import plain
from ..task import CountedTask, Task
from ..tasks.classification import Classification
from ..training.event_logs import keep_event_logs
from ..training.processes import is_main_process, wait_for_all
from ..training.resumable import resumable_output
from .announce import say
from .base_choice import AUTO, choose_base
from .base_model import open_base
from .classifier_transfer import transfer_classifier
from .finished_training import command_of, finished_training
from .loss_splits import read_loss_splits
from .loss_transfer import options_by_loss, transfer_by_loss
from .options import LIGHT, Options, read_options
from .outcome import Clock, Transfer
from .report import Report, base_lines
from .resumable_run import ResumableRun, has_steps
from .splits import Splits, read_splits
from .stages import check_stages, depth_name, parse_depth

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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

    @property
    def base(self) -> str:
        """Name of the base model."""
        return self.report.base

    @property
    def caveats(self) -> list[str]:
        """What speaks against the figures, one sentence each; the report begins with them."""
        return self.report.caveats

    def _repr_html_(self) -> str:
        from ..notebook import html_lines

        return Metrics(self.metrics)._repr_html_() + html_lines(f"{self.report}\n{self.path}")


def finetune(
    name: str | Path, data: Any, *, output_dir: str | Path, depth: str | int = "auto", **options: Any
) -> FinetuneResult:
    """Train a trained model on one's own data, as much of it as the data pays for.

    The data is checked; a part that takes no part in training or choosing is kept back to measure on. A classifier gets
    a new head, which is fitted on features that the frozen network computes once. Any other network that has a loss
    (translation, language models, tagging, several tasks, captions, dialogue, what plugins bring) goes on where the
    labels are the base's own and gets a new head, or rows for new words, where they are not. Where the depth is more
    than the head, the stages below it are trained as well, lower ones at lower learning rates. The output appears whole
    or not at all; a killed run continues with the same call.

    Args:
        name: The base model, as `tsugiki.load` takes it; or ``auto`` for the installed one whose frozen features tell
            the classes of the training rows apart best. Bases that are not installed are named in the report.
        data: A Hub id, a folder (of class folders, parquet, csv or json files), a `Dataset` or a `DatasetDict`.
        output_dir: Folder of the new snapshot.
        depth: ``head``, the number of stages to train besides it, ``all``, or ``auto`` to choose by measurement.
        **options: Fields of `TrainingArguments` by their own names, and those of `tsugiki.transfer.options.Options`,
            such as ``head``, ``device``, ``validation``, ``test``, ``augmentation`` and ``compare_scratch``.

    Returns:
        The model, what was measured, and the report.

    Raises:
        OptionError: An option or the depth is unknown or out of range, or the model has no loss to learn by.
        DataError: The data is missing, damaged, or lacks a column or a class.
        UnknownNameError: There is no such model.
        OutputError: The output exists already, is or holds what is read, lies in it, or cannot be written.

    Example:
        >>> import tsugiki
        >>> result = tsugiki.finetune("lenet5-mnist", "photos/", output_dir="my-model")
        >>> print(result.report)
    """
    with reading_as(read_options(options).format):
        return _finetune(name, data, output_dir, depth, options)


def _finetune(
    name: str | Path, data: Any, output_dir: str | Path, depth: str | int, options: Mapping[str, Any]
) -> FinetuneResult:
    stopwatch = Stopwatch()
    chosen = read_options(options)
    reads = local_paths(data) if name == AUTO else local_paths(data, name)
    foreign = foreign_part if chosen.overwrite else None
    output = check_output(output_dir, foreign=foreign, reads=reads)
    clock, base_choice = Clock(), None
    if name == AUTO:
        with clock("base"):
            base_choice = choose_base(data, chosen)
        for line in base_lines(base_choice):
            say(chosen, line)
        name = base_choice.base
    base, processor, task = open_base(name, data, chosen)
    stages = [stage.name for stage in check_stages(base)]
    asked = parse_depth(depth, len(stages))
    if not isinstance(task, Classification):
        chosen = options_by_loss(base, task, chosen)
    with clock("data"):
        if isinstance(task, Classification):
            splits = read_splits(data, task, processor, chosen)
        else:
            splits = read_loss_splits(data, base, task, processor, chosen)
    chosen = _with_suited_augmentation(chosen, task, splits)
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
        transfer = Transfer(run, public_model_name(name), base, task, splits, chosen, asked, stages, clock, base_choice)
        if isinstance(task, Classification):
            outcome = transfer_classifier(transfer, task)
        else:
            outcome = transfer_by_loss(transfer)
        model, report = outcome.model, outcome.report
        if is_main_process() and not is_in_place:
            folder = place.begin()
            named = depth_name(asked, len(stages)) if asked is not None else "auto"
            finished = finished_training(
                folder,
                model,
                processor if splits.adaptation is None else splits.adaptation.processor,
                task,
                splits,
                outcome.predictions,
                report,
                chosen,
                name=output.name,
                command=command_of(str(name), data, output_dir, named, _that_matter(options, task)),
            )
            write_snapshot(folder, finished)
            keep_event_logs(place)
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


def _that_matter(options: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The options without the kind of a classifier's head where the task has none; read as such, it changed nothing."""
    return {name: value for name, value in options.items() if name != "head" or isinstance(task, Classification)}


def _with_suited_augmentation(options: Options, task: Task, splits: Splits) -> Options:
    """The options without the default augmentation where it does not suit the rows.

    Raises:
        OptionError: An augmentation of pictures was asked for, and the rows have none.
    """
    if options.augmentation is LIGHT:
        suits = isinstance(task, CountedTask) and _may_shift(splits)
        return options if suits else replace(options, augmentation=None)
    if isinstance(options.augmentation, Augmentation) and "pixel_values" not in splits.train.columns:
        raise OptionError(f"augmentation changes pictures, and rows of {task.name} have none here")
    return options


def _may_shift(splits: Splits) -> bool:
    """Whether rows are pictures whose labels are numbers of classes: shifts and turns would leave a box behind."""
    pixels, labels = (splits.train.columns.get(name) for name in ("pixel_values", "labels"))
    are_classes = isinstance(labels, Tensor) and labels.ndim <= 2 and not labels.is_floating_point()
    return are_classes and pixels is not None and pixels.ndim == 4
