"""Loading by name: models, processors, and fresh models of a family.

Nothing heavy is imported until a name has been found and its config has passed the checks, and then only torch,
transformers' model classes and the one family's module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..registry import RegisteredFamily, registry
from .snapshot import Snapshot, check_options
from .strict_config import config_fields, one_line, override_config

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def load(
    name: str | Path,
    *,
    task: str | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    **overrides: Any,
) -> PreTrainedModel:
    """Load a pretrained model, checked.

    Args:
        name: A snapshot's folder, an installed checkpoint (``lenet5-mnist``, ``vision:lenet5-mnist``), or a Hub
            repository (``org/name``). Weights of another library that an installed plugin reads, such as
            ``timm/vgg16.tv_in1k``, become a model of the plugin's.
        task: The model class to load into: a task of the family, ``backbone`` or ``base``. By default as it was saved.
        revision: Branch, tag or commit of a Hub repository.
        dtype: Of the weights, such as ``"bfloat16"``; ``float32`` by default, ``"auto"`` for what the file holds.
        **overrides: Fields of the family's config to set otherwise than saved, and ``out_features`` or ``out_indices``
            for ``task="backbone"``. Another number of labels gives the model a new head with fresh weights.

    Returns:
        The model, in eval mode.

    Raises:
        UnknownNameError: There is no such model, or the family has none for the task.
        SnapshotError: The snapshot is damaged; says which file and how.
        OptionError: An override is no field of the config, or does not fit.
        PluginError: A plugin that the snapshot needs is missing or broken.
        HubError: The Hub cannot be reached, or has no such repository.

    Example:
        >>> import tsugiki
        >>> model = tsugiki.load("lenet5-mnist")
        >>> backbone = tsugiki.load("lenet5-mnist", task="backbone", out_features=["convolution2"])
    """
    return Snapshot.open(name, revision=revision).model(task, dtype, **overrides)


def load_processor(name: str | Path, *, revision: str | None = None) -> Any:
    """Load the processor that goes with a model: its image processor, feature extractor or tokenizer.

    Args:
        name: As `load` takes it.
        revision: Branch, tag or commit of a Hub repository.

    Returns:
        The processor that prepares inputs as in training.

    Raises:
        UnknownNameError: There is no such model.
        SnapshotError: The snapshot has no processor, or a damaged one.
        PluginError: A plugin that the snapshot needs is missing or broken.
        HubError: The Hub cannot be reached, or has no such repository.
    """
    return Snapshot.open(name, revision=revision).processor()


def create_model(
    family: str, task: str | None = None, *, dtype: str | torch.dtype | None = None, **config: Any
) -> PreTrainedModel:
    """Build a model with fresh weights.

    Args:
        family: A family's name, such as ``lenet`` or ``vision:lenet``.
        task: A task of the family, ``backbone`` or ``base``; by default its only task.
        dtype: Of the weights; ``float32`` by default.
        **config: Fields of the family's config, such as ``num_labels=7``.

    Returns:
        The model, in training mode.

    Raises:
        UnknownNameError: There is no such family, or it has no model for the task.
        OptionError: A field is unknown or out of range.

    Example:
        >>> import tsugiki
        >>> model = tsugiki.create_model("lenet", num_labels=7, activation="tanh")
    """
    registered = registry().family(family)
    key = task or _only_task(registered)
    model_class = registered.model_class(key)
    config_class = registered.config_class()
    from .auto_classes import register_family
    from .strict_loading import model_dtype

    check_options(config, config_fields(config_class), ("task", "dtype"), registered)
    built = override_config(config_class, {}, config)
    register_family(registered)
    try:
        return model_class._from_config(built, dtype=model_dtype(dtype))
    except (ValueError, TypeError, RuntimeError) as error:
        raise OptionError(f"family {registered.name!r} cannot be built with {config}: {one_line(error)}") from error


def _only_task(family: RegisteredFamily) -> str:
    tasks = family.declaration.tasks or list(family.declaration.models)
    if len(tasks) != 1:
        raise OptionError(f"family {family.name!r} has models for {', '.join(tasks)}; name one with task=")
    return tasks[0]
