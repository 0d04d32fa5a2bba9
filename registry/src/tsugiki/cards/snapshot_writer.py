"""Writing a snapshot: weights, processor, pictures, provenance and the card, of a recipe or of a fine-tuning."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..labelled_task import BoundTask
from ..picture import Picture
from ..predictions import Predictions
from ..public_record import is_path, public_arguments, public_model_name, public_name, public_value
from ..registry import RegisteredFamily
from ..snapshots import environment
from ..snapshots.provenance import WEIGHTS, DataRecord, Evaluation, LearningData, Provenance, TrainingFacts, Weights
from ..snapshots.resolve import CONFIG
from ..snapshots.saving import save_part
from ..snapshots.strict_config import read_json
from ..task import Task
from ..tensor_table import TensorTable
from .curves import draw_curves
from .render import write_card

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Measured:
    """Data that a model was measured on.

    Attributes:
        task: That measured it.
        predictions: What the model said.
        table: The data.
        evaluation: The figures.
    """

    task: Task
    predictions: Predictions
    table: TensorTable
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True)
class FinishedTraining:
    """What becomes a snapshot.

    Attributes:
        facts: What its provenance takes over.
        family: Its family.
        task: What it was trained for.
        model: The model, on the CPU, or a folder into which one was saved, which is emptied.
        processor: Its processor.
        label_names: Class names, by number.
        measured: The figures; of several data sets of one task the first is drawn.
        pictures: Drawn already; the card shows them behind the curves.
        libraries: Distributions besides the usual ones whose versions shape the result.
        prose: The `card.md`; a fine-tuning's is written from its record.
    """

    facts: TrainingFacts
    family: RegisteredFamily
    task: Task
    model: PreTrainedModel | Path
    processor: Any
    label_names: Sequence[str]
    measured: Sequence[Measured]
    pictures: Sequence[Picture]
    libraries: Sequence[str] = ()
    prose: str | None = None


def write_snapshot(folder: Path, training: FinishedTraining) -> Provenance:
    """Write everything a snapshot holds.

    Args:
        folder: The unfinished output.
        training: What becomes the snapshot. Without prose and record of a fine-tuning it gets no card.
    """
    _write_model(folder, training)
    facts, family = training.facts, training.family
    curves = draw_curves(facts.history, folder, title=facts.name)
    provenance = Provenance(
        **{**vars(facts), "seconds": None if facts.seconds is None else round(facts.seconds, 1)},
        family=family.name,
        model_type=family.model_type,
        task=training.task.name,
        pipeline_tag=training.task.pipeline_tag,
        requires=environment.required_distributions(read_json(folder / CONFIG), family.distribution),
        versions=environment.versions(family.distribution, *training.libraries),
        date=environment.today(),
        weights=Weights.of(folder),
        evaluations=[measured.evaluation for measured in training.measured],
        pictures=[*([curves] if curves else []), *training.pictures, *_draw_figures(folder, training)],
    )
    provenance = _public(provenance)
    provenance.write(folder)
    if training.prose is not None or facts.transfer is not None:
        write_card(folder, training.prose)
    return provenance


def _public(provenance: Provenance) -> Provenance:
    """What others may read of it: no folders of this machine, and of the options those of a list."""
    learned, recipe, transfer = provenance.data, provenance.recipe, provenance.transfer
    return replace(
        provenance,
        base_model=None if provenance.base_model is None else public_model_name(provenance.base_model),
        recipe=None
        if recipe is None
        else replace(recipe, config=public_value(recipe.config), training=public_arguments(recipe.training)),
        data=None
        if learned is None
        else LearningData(
            _public_data(learned.train), None if learned.validation is None else _public_data(learned.validation)
        ),
        evaluations=[
            replace(
                evaluation,
                dataset=public_name(evaluation.dataset),
                revision=None if is_path(evaluation.dataset) else evaluation.revision,
                source=public_name(evaluation.source),
            )
            for evaluation in provenance.evaluations
        ],
        transfer=None if transfer is None else replace(transfer, base=public_model_name(transfer.base)),
    )


def _public_data(record: DataRecord) -> DataRecord:
    revision = None if is_path(record.id) else record.revision
    return replace(record, id=public_name(record.id), revision=revision, source=public_name(record.source))


def _write_model(folder: Path, training: FinishedTraining) -> None:
    if isinstance(training.model, Path):
        for file in training.model.iterdir():
            shutil.copyfile(file, folder / file.name)
    else:
        save_part(training.model, folder)
    (folder / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner may read
    save_part(training.processor, folder)


def _draw_figures(folder: Path, training: FinishedTraining) -> list[Picture]:
    """Of every task the figures of the first data set that it measured.

    None of weights of another distribution: the data, which was not learned from, may forbid that it is shown.
    """
    if training.facts.distributed is not None:
        return []
    first = {type(measured.task): measured for measured in reversed(training.measured)}
    return [
        picture
        for measured in training.measured
        if first[type(measured.task)] is measured
        for picture in BoundTask(measured.task, training.label_names).figures(
            measured.predictions, measured.table, folder
        )
    ]
