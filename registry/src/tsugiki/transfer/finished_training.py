"""What a fine-tuning leaves to be written: its figures, its record, and the command that repeats it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cards.snapshot_writer import FinishedTraining, Measured
from ..evaluation.records import evaluation_record
from ..predictions import Predictions
from ..public_record import is_path, public_arguments, public_model_name, public_name
from ..snapshots import environment
from ..snapshots.provenance import TrainingFacts
from ..task import Task
from .options import Options
from .report import Report, draw_depths
from .splits import Splits
from .stages import family_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def finished_training(
    folder: Path,
    model: PreTrainedModel,
    processor: Any,
    task: Task,
    splits: Splits,
    predictions: Predictions,
    report: Report,
    options: Options,
    *,
    name: str,
    command: str,
) -> FinishedTraining:
    """What becomes the snapshot.

    Args:
        folder: The unfinished output; the picture of the probes is drawn into it.
        model: The fine-tuned model, on the CPU.
        processor: Its processor.
        task: The task.
        splits: The data.
        predictions: What the model says about the test rows.
        report: How it went.
        options: The options.
        name: Name of the snapshot.
        command: What repeats it.
    """
    fit, family, test = report.tuned.fit, family_of(model), splits.test_record
    depths = draw_depths(report, folder)
    evaluation = evaluation_record(
        task,
        predictions,
        dataset=test.id,
        split=test.split,
        revision=test.revision,
        fingerprint=test.fingerprint,
        columns=test.columns,
        selection=test.selection,
        rows=test.rows,
    )
    signatures = task.signatures(processor)
    evaluation = replace(
        evaluation,
        signatures={name: line for name, line in signatures.items() if name in evaluation.metrics},
        format=test.format,
    )
    facts = TrainingFacts(
        name=name,
        plugin=family.plugin_name,
        parameters=environment.parameter_count(model),
        license=options.license or "unknown",
        base_model=report.base,
        command=command,
        seed=options.seed,
        commit=None,
        hardware=environment.hardware(
            device="cpu" if fit is None else fit.device,
            processes=1 if fit is None else fit.processes,
            precision="fp32" if fit is None else fit.precision,
        ),
        seconds=sum(report.seconds.values()),
        data=splits.learning,
        seeds=None,
        history=[] if fit is None else fit.history,
        samples=task.samples(model, processor),
        transfer=report.record(),
    )
    return FinishedTraining(
        facts=facts,
        family=family,
        task=task,
        model=model,
        processor=processor,
        label_names=splits.label_names,
        measured=[Measured(task, predictions, splits.test, evaluation)],
        pictures=[*([] if depths is None else [depths]), *task.model_figures(model.eval(), folder)],
        libraries=["scikit-learn"] if report.head is not None else [],
    )


def command_of(base: str, data: Any, output_dir: str | Path, depth: str, given: Mapping[str, Any]) -> str:
    """What repeats a fine-tuning: a shell command, or a line of Python where the data has no name.

    It stands on the card, so that it says no folders, and of the options those that others may read.

    Args:
        base: Name of the base model.
        data: As `tsugiki.finetune` was given it.
        output_dir: Likewise.
        depth: As a person writes it.
        given: The options.
    """
    shown = public_arguments(given)
    shown.pop("leave_out", None)  # names of groups, which may be persons
    if isinstance(data, str | Path) and is_path(data):
        shown.pop("revision", None)
    base, output = public_model_name(base), public_name(Path(output_dir))
    if isinstance(data, str | Path) and all(_is_plain(value) for value in shown.values()):
        words = ["tsugiki", "finetune", base, public_name(data), "--output-dir", output, "--depth", depth]
        for name, value in shown.items():
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
        return shlex.join(words)
    what = repr(public_name(data)) if isinstance(data, str | Path) else "data"
    named = [f"output_dir={output!r}", f"depth={depth!r}"]
    named += [f"{name}={value!r}" if _is_plain(value) else f"{name}={name}" for name, value in shown.items()]
    return f"tsugiki.finetune({base!r}, {what}, {', '.join(named)})"


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
