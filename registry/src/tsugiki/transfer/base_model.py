"""The base of a fine-tuning: a model with a head of its own, or a network that gets one for the task at hand."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..data.load_data import load_split, splits
from ..errors import DataError, OptionError, did_you_mean
from ..evaluation import task_named
from ..evaluation.evaluate import task_of
from ..registry import RegisteredFamily, registry
from ..snapshots.processors import complete_processor
from ..snapshots.snapshot import Snapshot
from ..task import Task
from .options import Options

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WITHOUT_LABELS = ("fill-mask", "text-generation")  # what networks for texts are trained on before anything else


def open_base(name: str | Path, data: Any, options: Options) -> tuple[PreTrainedModel, Any, Task]:
    """The base model, its processor and its task.

    A bare network gets a fresh head for the task; so does a model that does another task, where its architecture has
    models for both. A model without a loss, such as one that compares sentences, becomes a classifier of its inputs.

    Args:
        name: As `tsugiki.load` takes it.
        data: What it is to learn from.
        options: Whose `task` says what it is to do.

    Raises:
        OptionError: The task is unknown, not one of the architecture, or cannot be told.
    """
    snapshot = Snapshot.open(name)
    processor = snapshot.processor()
    own = snapshot.task if snapshot.task in registry().tasks() else None
    task = options.task or own
    unlabelled = own in WITHOUT_LABELS and snapshot.provenance is None
    if options.task is None and (own is None or unlabelled or not has_loss(snapshot.family_for(own), own)):
        task = _inferred(snapshot, processor, data, options) or own
    if task is None:
        raise OptionError(
            f"{snapshot.name} is a network without a head, and its {type(processor).__name__} does not tell what for; "
            f"name the task with task="
        )
    if task == own:
        base = snapshot.model()
        return base, processor, task_named(task_of(base))
    family = snapshot.family_for(task)
    if task not in family.declaration.models or task not in registry().tasks():
        known = [key for key in family.declaration.tasks if key in registry().tasks()]
        raise OptionError(
            f"the family {family.name!r} of {snapshot.name} has no model for task {task!r}.{did_you_mean(task, known)}"
        )
    processor = complete_processor(processor, snapshot.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)  # of what is fresh besides the head, such as a pooler
        base = snapshot.model(task, num_labels=2)
    if getattr(processor, "pad_token_id", None) is not None:
        base.config.pad_token_id = processor.pad_token_id
    return base, processor, task_named(task)


def has_loss(family: RegisteredFamily, task: str | None) -> bool:
    """Whether a family's models of a task can learn."""
    known = task in family.declaration.models
    return known and "labels" in inspect.signature(family.model_class(str(task)).forward).parameters


def _inferred(snapshot: Snapshot, processor: Any, data: Any, options: Options) -> str | None:
    """The classification that a processor is for and the architecture has a model for, where the data has labels."""
    from transformers import FeatureExtractionMixin, PreTrainedTokenizerBase
    from transformers.image_processing_utils import BaseImageProcessor

    kinds = (
        (BaseImageProcessor, ("image-classification", "video-classification")),
        (PreTrainedTokenizerBase, ("text-classification",)),
        (FeatureExtractionMixin, ("audio-classification",)),
    )
    tasks = next((tasks for kind, tasks in kinds if isinstance(processor, kind)), ())
    task = next((task for task in tasks if task in snapshot.family_for(task).declaration.models), None)
    if task is None or snapshot.task is None:
        return task
    names = splits(data)
    dataset = load_split(data, "train" if "train" in names else next(iter(names), None), revision=options.revision)
    try:
        task_named(task).columns(dataset, options.columns)
    except DataError:
        return None
    return task
