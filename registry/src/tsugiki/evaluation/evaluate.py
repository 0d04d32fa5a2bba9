"""Evaluation: a model's predictions on every row of a table, and the task's figures on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..devices import check_device
from ..errors import DataError, OptionError
from ..eval_mode import eval_mode
from ..labelled_task import BoundTask
from ..metrics import Metric, Metrics
from ..predictions import PredictionParts, Predictions
from ..progress import track
from ..snapshots.transformers_families import family_of_model, key_of
from ..task import Task
from ..tensor_table import Batch, TensorTable
from .chosen_classes import ChosenClasses
from .task_by_name import task_named
from .views import Views, average_probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def predict_table(
    model: PreTrainedModel,
    table: TensorTable,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    task: Task | None = None,
    views: Views | None = None,
) -> Predictions:
    """Run a model over a table in order, in eval mode.

    Args:
        model: Any model; its training mode is restored afterwards.
        table: Rows, with labels where the task has some.
        batch_size: Rows a forward pass, at most; large rows go fewer at a time on a CPU.
        device: Where to compute; by default where the model is.
        task: Says what to keep of a forward pass; by default the output's ``logits``.
        views: Views of each picture whose answers are averaged.

    Returns:
        Outputs and labels of all rows.
    """
    if device is not None:
        check_device(str(device))
    device = torch.device(device) if device is not None else next(model.parameters()).device
    model.to(device)  # type: ignore[arg-type]
    outputs, labels = PredictionParts(), PredictionParts()
    has_labels = False
    with eval_mode(model), torch.inference_mode():
        if task is not None and not views:
            whole = task.predictions(model, table, batch_size=batch_size)
            if whole is not None:
                return whole
        batch_size = table.rows_of_pass(batch_size, device)
        batches = table.batches(batch_size, device=device)
        for batch in track(batches, "evaluate", total=-(-len(table) // batch_size), unit="batch"):
            if (given := batch.pop("labels", None)) is not None:
                labels.add(given)
                has_labels = True
            outputs.add(_outputs(model, batch, task, views))
    return Predictions(outputs.joined(), labels.joined() if has_labels else None)


def main_figure(model: PreTrainedModel, table: TensorTable | None, task: Task | None) -> float | None:
    """The task's main figure of a model on a table; None where there is no table or no task."""
    if table is None or task is None:
        return None
    return task.metrics(predict_table(model, table, task=task))[task.main_metric].value


def _outputs(model: PreTrainedModel, batch: Batch, task: Task | None, views: Views | None) -> Tensor | list[Any]:
    """What is kept of one batch, over all views of its pictures; tensors in float32."""

    def answer(inputs: Batch) -> Any:
        kept = model(**inputs).logits if task is None else task.outputs(model, inputs)
        return kept.float() if isinstance(kept, Tensor) else kept

    if not views:
        return answer(batch)
    if "pixel_values" not in batch or batch["pixel_values"].ndim != 4:
        raise OptionError("views are made of pictures (N, C, H, W), and this model takes none")
    return average_probabilities([answer({**batch, "pixel_values": one}) for one in views.of(batch["pixel_values"])])


def model_label_names(model: PreTrainedModel) -> list[str]:
    """Class names of a classifier, by number."""
    id2label: dict[Any, str] = model.config.id2label or {}
    return [id2label[index] for index in range(len(id2label))]


def pick_split(data: Any, split: str | None) -> str | None:
    """The split to evaluate on: the one named, else ``test``, else ``validation``, else the only one there is.

    Raises:
        DataError: There are several splits and none of these.
    """
    from ..data.load_data import splits

    if split is not None:
        return split
    names = splits(data)
    for candidate in ("test", "validation"):
        if candidate in names:
            return candidate
    if len(names) > 1:
        raise DataError(f"the data has the splits {', '.join(names)}; name one with split=")
    return names[0] if names else None


def evaluate(
    model_or_name: PreTrainedModel | str | Path,
    data: Any,
    *,
    task: str | None = None,
    split: str | None = None,
    processor: Any = None,
    columns: dict[str, str] | None = None,
    batch_size: int = 256,
    device: str | None = None,
    views: Views | None = None,
    classes: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    format: str | None = None,
) -> dict[str, Metric]:
    """Measure a model on data.

    Args:
        model_or_name: A model, or what `tsugiki.load` takes.
        data: A Hub id, a folder, a `datasets.Dataset` or `DatasetDict`, or a `TensorTable`.
        task: The task's name; by default the one the model was made for.
        split: Which part of the data; by default ``test``, then ``validation``.
        processor: The model's processor; needed only when `model_or_name` is a model that was not loaded from a folder.
        columns: Roles of columns that the task does not find by itself. With that of a ``group``, such as the speaker,
            each group has figures of its own too, and the mean over groups an interval that holds for new ones; see
            `tsugiki.evaluation.by_group.GroupedMetrics`.
        batch_size: Rows a forward pass.
        device: Where to compute.
        views: Views of each picture whose answers are averaged: mirrored, cut, resized.
        classes: The model's class that stands for each of the data's, ``{"ants": "ant", "bees": "bee"}``, of a
            classifier that knows more than those; it is then asked to choose among them.
        only: Groups to measure on alone.
        format: In which the folder of the data is read, such as ``class-folders``, ``tables`` or one of a plugin's; by
            default it is found by what the folder holds.

    Returns:
        Metric name -> figure with its 95 % interval, and what speaks against them as their `caveats`.

    Raises:
        TsugikiError: The name, the data or a column is unknown.
    """
    from ..snapshots.snapshot import Snapshot
    from .caveats import learned_rows

    snapshot = Snapshot.open(model_or_name) if isinstance(model_or_name, str | Path) else None
    model: PreTrainedModel = model_or_name if snapshot is None else snapshot.model(task)  # type: ignore[assignment]
    chosen = task_named(task or task_of(model))
    among = ChosenClasses.of(classes, model_label_names(model)) if classes else None
    groups = None
    against: list[str] = []
    if isinstance(only, str):
        only = [only]
    if isinstance(data, TensorTable):
        table = data
    else:
        from ..data.formats import reading_as
        from ..data.groups import read_groups, without_group
        from ..data.load_data import load_split

        if processor is None:
            processor = (snapshot or Snapshot.open(model.config._name_or_path)).processor()
        with reading_as(format):
            dataset = load_split(data, pick_split(data, split))
        given, group = without_group(columns)
        if group is not None:
            groups = read_groups(dataset, group)
            if only:
                dataset = dataset.select(groups.rows_of(only)[1].tolist())
                groups = read_groups(dataset, group)
        against = learned_rows(None if snapshot is None else snapshot.provenance, dataset)
        names = model_label_names(model) if among is None else among.names
        bound, found_columns = BoundTask(chosen, names), chosen.columns(dataset, given)
        table = bound.grouped_table(dataset, processor, found_columns, None if groups is None else groups.numbers)
    if only and groups is None:
        raise OptionError("only names groups; say with columns={'group': …} which column of the data holds them")
    found = predict_table(model, table, batch_size=batch_size, device=device, task=chosen, views=views)
    found = found if among is None else among.predictions(found)
    if groups is None:
        return Metrics(chosen.metrics(found), against)
    from .by_group import grouped_metrics

    grouped = grouped_metrics(chosen, found, table.groups, groups)
    grouped.caveats[:0] = against
    return grouped


def task_of(model: PreTrainedModel) -> str:
    """The task a model was made for, by its class.

    Raises:
        DataError: Its family is not known, or it is a bare network without a head.
    """
    family = family_of_model(model)
    key = "" if family is None else key_of(family, type(model).__name__)
    if family is not None and key in family.declaration.tasks:
        return key
    raise DataError(f"{type(model).__name__} belongs to no registered task; name one with task=")
