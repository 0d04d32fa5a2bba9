"""`tsugiki.pipeline`: transformers' pipeline of a model's task, with its model and processor, by the model's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, UnknownNameError, did_you_mean
from ..registry import registry
from .answering_pipeline import answering
from .snapshot import Snapshot

if TYPE_CHECKING:
    import torch
    from transformers import Pipeline


def pipeline(
    name: str | Path,
    task: str | None = None,
    *,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    **kwargs: Any,
) -> Pipeline:
    """Make the pipeline of a model.

    ``transformers.pipeline`` cannot tell the task of a local folder, nor of a Hub repository whose library is tsugiki;
    here the snapshot names it.

    Args:
        name: As `tsugiki.load` takes it.
        task: The task; by default the one the snapshot was made for.
        revision: Branch, tag or commit of a Hub repository.
        dtype: Of the weights, as `tsugiki.load` takes it.
        **kwargs: For ``transformers.pipeline``, such as ``device`` or ``top_k``.

    Returns:
        A pipeline, ready to be called. Called with several inputs, it gives ``{"error": why}`` in place of the answer
        to one that cannot be answered.

    Raises:
        OptionError: The snapshot names no task and none is given.
        UnknownNameError: No pipeline has the task's name.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("lenet5-mnist")("seven.png")
    """
    snapshot = Snapshot.open(name, revision=revision)
    task = task or snapshot.task
    if task is None:
        raise OptionError(f"{snapshot.folder} is a bare network, made for no task; name one with task=")
    family = snapshot.family_for(task)
    if task not in family.declaration.models:
        have = family.declaration.tasks
        raise UnknownNameError(
            f"family {family.name!r} has no model for task {task!r}; it has: {', '.join(have)}."
            f"{did_you_mean(task, have)}"
        )
    model, processor = snapshot.model(task, dtype), snapshot.processor()
    import transformers
    from transformers.pipelines import PIPELINE_REGISTRY

    from .auto_classes import import_string, register_pipeline

    if task in registry().tasks():
        task_class = registry().task_class(task)
        register_pipeline(task_class)
        if (refined := task_class.refined_pipeline_class) is not None:
            kwargs.setdefault("pipeline_class", import_string(refined))
    if task not in PIPELINE_REGISTRY.get_supported_tasks():
        raise UnknownNameError(f"neither transformers nor an installed plugin has a pipeline for task {task!r}")
    own: Any = kwargs.get("pipeline_class") or PIPELINE_REGISTRY.check_task(task)[1]["impl"]
    if isinstance(own, str):  # transformers' own, written "package.module.Class"
        own = import_string(":".join(own.rsplit(".", 1)))
    kwargs["pipeline_class"] = answering(own)
    make: Any = transformers.pipeline  # typed as overloads for each of the library's own tasks
    return make(task, model=model, **_processor_argument(processor), **kwargs)


def _processor_argument(processor: Any) -> dict[str, Any]:
    """The processor under the name that ``transformers.pipeline`` gives its kind."""
    from transformers import FeatureExtractionMixin, PreTrainedTokenizerBase, ProcessorMixin
    from transformers.image_processing_utils import BaseImageProcessor

    kinds = {
        "image_processor": BaseImageProcessor,
        "tokenizer": PreTrainedTokenizerBase,
        "processor": ProcessorMixin,
        "feature_extractor": FeatureExtractionMixin,
    }
    return {next(name for name, kind in kinds.items() if isinstance(processor, kind)): processor}
