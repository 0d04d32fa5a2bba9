"""Ensembles: several classifiers answer together, and are measured against the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import DataError, OptionError
from ..labelled_task import BoundTask
from ..metrics import Metric
from ..predictions import Predictions
from .evaluate import model_label_names, pick_split, predict_table, task_of
from .task_by_name import task_named
from .views import Views, average_probabilities


@dataclass(frozen=True)
class EnsembleResult:
    """How well several models do together, and each by itself.

    Attributes:
        metrics: Of the mean of their probabilities.
        members: By name, of each alone.
    """

    metrics: Mapping[str, Metric]
    members: Mapping[str, Mapping[str, Metric]]


def evaluate_ensemble(
    names: Sequence[str | Path],
    data: Any,
    *,
    split: str | None = None,
    columns: dict[str, str] | None = None,
    views: Views | None = None,
    batch_size: int = 256,
    device: str | None = None,
) -> EnsembleResult:
    """Measure the mean of several classifiers' probabilities.

    Every member prepares the pictures with its own processor, so sizes and channels may differ. Classes are matched by
    name.

    Args:
        names: What `tsugiki.load` takes, two or more.
        data: As for `tsugiki.evaluate`.
        split: Which part of the data; by default ``test``, then ``validation``.
        columns: Roles of columns that the task does not find by itself.
        views: Views of each picture that every member answers to.
        batch_size: Rows a forward pass.
        device: Where to compute.

    Raises:
        OptionError: There are fewer than two members, or one is named twice.
        DataError: The members belong to different tasks or know different classes.
    """
    from ..data.load_data import load_split
    from ..snapshots.snapshot import Snapshot

    called = [str(name) for name in names]
    if len(set(called)) < 2 or len(set(called)) < len(called):
        raise OptionError(f"an ensemble needs two or more different members, not {', '.join(called)}")
    dataset = load_split(data, pick_split(data, split))
    task, labels = None, None
    logits: list[torch.Tensor] = []
    members: dict[str, Mapping[str, Metric]] = {}
    for name in called:
        snapshot = Snapshot.open(name)
        model = snapshot.model()
        own_task, own_labels = task_named(task_of(model)), model_label_names(model)
        if task is None or labels is None:
            task, labels = own_task, own_labels
        if own_task.name != task.name or sorted(own_labels) != sorted(labels):
            raise DataError(
                f"{name} does {own_task.name} with the classes {', '.join(own_labels)}; "
                f"{called[0]} does {task.name} with {', '.join(labels)}"
            )
        table = BoundTask(task, labels).table(dataset, snapshot.processor(), columns)
        predictions = predict_table(model, table, batch_size=batch_size, device=device, task=task, views=views)
        reordered = predictions.outputs[:, [own_labels.index(label) for label in labels]]
        members[name] = task.metrics(Predictions(reordered, predictions.labels))
        logits.append(torch.from_numpy(np.ascontiguousarray(reordered)))
    assert task is not None
    together = Predictions(average_probabilities(logits).numpy(), predictions.labels)
    return EnsembleResult(task.metrics(together), members)
