"""Writing the snapshot of a fine-tuning: weights, processor, provenance, pictures and the card."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cards.curves import draw_curves
from ..evaluation.evaluate import predict_table
from ..output import quiet_transformers
from ..predictions import Predictions
from ..snapshots import provenance
from ..task import Task
from .options import Options
from .report import Report, draw_depths
from .splits import Splits
from .stages import family_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def write_snapshot(
    folder: Path,
    name: str,
    model: PreTrainedModel,
    processor: Any,
    task: Task,
    splits: Splits,
    predictions: Predictions,
    report: Report,
    options: Options,
    *,
    command: str,
    requires: list[str],
) -> None:
    """Write everything a snapshot holds.

    Args:
        folder: The unfinished output.
        name: Name of the snapshot.
        model: The fine-tuned model, on the CPU.
        processor: Its processor.
        task: The task.
        splits: The data.
        predictions: What the model says about the test rows.
        report: How it went.
        options: The options.
        command: What repeats it.
        requires: Distributions that the base model needs.
    """
    from ..cards.render import write_card

    with quiet_transformers():
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    (folder / provenance.WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner may read
    fit = report.tuned.fit
    history = [] if fit is None else fit.history
    pictures = [
        draw_curves(history, folder, title=name),
        draw_depths(report, folder),
        *task.figures(predictions, splits.test, splits.label_names, folder),
    ]
    family = family_of(model)
    evaluation = provenance.evaluation_record(
        task,
        predictions,
        dataset=splits.test_record["id"],
        split=splits.test_record["split"],
        revision=splits.test_record["revision"],
        fingerprint=splits.test_record["fingerprint"],
    )
    evaluation |= {key: splits.test_record[key] for key in ("columns", "selection") if key in splits.test_record}
    record = {
        "format": provenance.FORMAT,
        "name": name,
        "plugin": family.plugin_name,
        "family": family.name,
        "model_type": family.model_type,
        "task": task.name,
        "parameters": provenance.parameter_count(model),
        "license": options.license or "unknown",
        "base_model": report.base,
        "requires": requires,
        "command": command,
        "seed": options.seed,
        "commit": None,
        "versions": provenance.versions(family.distribution, "scikit-learn"),
        "hardware": provenance.hardware(
            device="cpu" if fit is None else fit.device,
            processes=1 if fit is None else fit.processes,
            precision="fp32" if fit is None else fit.precision,
        ),
        "seconds": round(sum(report.seconds.values()), 1),
        "date": provenance.today(),
        "weights": provenance.weights_record(folder),
        "data": {"train": splits.train_record, "validation": splits.validation_record},
        "evaluations": [evaluation],
        "seeds": None,
        "history": history,
        "pictures": [asdict(picture) for picture in pictures if picture is not None],
        "transfer": {"base": report.base, "depth": report.depth_name, "report": report.to_dict()},
    }
    provenance.write_provenance(folder, record)
    write_card(folder)


def command_of(base: str, data: Any, output_dir: str | Path, depth: str, given: Mapping[str, Any]) -> str:
    """What repeats a fine-tuning: a shell command, or a line of Python where the data has no name."""
    if isinstance(data, str | Path) and all(_is_plain(value) for value in given.values()):
        words = ["tsugiki", "finetune", base, str(data), "--output-dir", str(output_dir), "--depth", depth]
        for name, value in given.items():
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
        return shlex.join(words)
    what = repr(str(data)) if isinstance(data, str | Path) else "data"
    named = [f"output_dir={str(output_dir)!r}", f"depth={depth!r}"]
    named += [f"{name}={value!r}" if _is_plain(value) else f"{name}={name}" for name, value in given.items()]
    return f"tsugiki.finetune({base!r}, {what}, {', '.join(named)})"


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def measure(model: PreTrainedModel, splits: Splits) -> Predictions:
    """What a model says about the test rows, in fp32 on the CPU."""
    return predict_table(model.float(), splits.test, device="cpu")
