"""The options of gradient descent: fields of transformers' `TrainingArguments` over our defaults, and some of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch

from ..errors import OptionError, PluginError, did_you_mean
from .options import TrainerOptions, number, split_options, whole

if TYPE_CHECKING:
    from transformers import TrainingArguments

EARLY_STOPPING = "early_stopping_patience"
DEFAULTS: dict[str, Any] = {
    "accelerator_config": {"split_batches": True},  # the batch size is that of all processes together
    "dataloader_pin_memory": False,
    "ddp_find_unused_parameters": False,  # gradients reach every trained parameter; searching costs a pass
    "disable_tqdm": True,
    "label_names": ["labels"],
    "logging_nan_inf_filter": False,  # a loss that is not finite shows
    "logging_strategy": "epoch",
    "max_grad_norm": 0.0,
    "remove_unused_columns": False,
    "report_to": "none",
    "restore_callback_states_from_checkpoint": True,  # patience and elapsed time survive a kill
    "save_strategy": "no",
}


@dataclass(frozen=True)
class FitOptions(TrainerOptions):
    """What `tsugiki.training.fit.fit` takes besides the fields of `TrainingArguments`.

    Attributes:
        early_stopping_patience: After how many validations that are no better to stop, with the best weights.
        channels_last: Compute convolutions in that memory format, which is faster for some.
        ema_decay: Validate and keep an exponential moving average of the weights, of which a step keeps this share; see
            `tsugiki.training.weight_average`.
        rows_per_class: Rows of each class in a batch, which then holds as many classes as it has room for; see
            `tsugiki.training.class_rows`.
        attn_implementation: Compute attention in another way during the training; ``eager`` is faster than ``sdpa`` on
            a CPU.
    """

    early_stopping_patience: int | None = whole(None, least=1)
    channels_last: bool = False
    attn_implementation: str | None = None
    ema_decay: float | None = number(None, above=0, below=1)
    rows_per_class: int | None = whole(None, least=2)


def argument_names() -> list[str]:
    """The options of a training by gradient descent: the fields of `TrainingArguments` and ours."""
    from transformers import TrainingArguments

    return [item.name for item in fields(TrainingArguments) if item.init] + [item.name for item in fields(FitOptions)]


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse an option that does not exist, is no number where it must be one, or would publish what has no card.

    Raises:
        OptionError: Names the option and, of an unknown one, the nearest that exists.
    """
    from transformers import TrainingArguments

    names = argument_names()
    for name in arguments:
        if name not in names:
            raise OptionError(f"unknown training option {name!r}.{did_you_mean(name, names)}")
    numbers = {bool, int, float, type(None)}
    numeric = {item.name for item in fields(TrainingArguments) if {*(get_args(item.type) or [item.type])} <= numbers}
    for name, value in arguments.items():
        if name in numeric and value is not None and not isinstance(value, int | float):
            raise OptionError(f"{name} must be a number, true or false, not {value!r}")
    if arguments.get("push_to_hub"):
        raise OptionError("push_to_hub: a training publishes nothing; `tsugiki publish` does, with a card")


def check_method(method: Any, arguments: Mapping[str, Any], *, called: str) -> None:
    """Refuse arguments that a plugin's method does not take; see `tsugiki.training.options.method_options`.

    Raises:
        PluginError: The method declares no options.
        OptionError: An option is unknown to the method and to gradient descent, or out of range.
    """
    kind = getattr(method, "options", None)
    if kind is None:
        raise PluginError(f"{called}: {method.__module__}:{method.__name__} declares no options by method_options")
    _, rest = split_options(arguments, kind)
    try:
        check_arguments(rest)
    except OptionError as error:
        names = ", ".join(item.name for item in fields(kind)) or "none"
        raise OptionError(f"{called}: {error} Its own options: {names}.") from error


def training_arguments(output_dir: Path, options: Mapping[str, Any]) -> TrainingArguments:
    """Build `TrainingArguments` from options by their own names over the project's defaults.

    Raises:
        OptionError: An option is unknown or refused by transformers.
    """
    from transformers import TrainingArguments

    check_arguments(options)
    values = {"use_cpu": not torch.accelerator.is_available(), **DEFAULTS, **options}
    values.pop("hub_token", None)  # the Trainer needs none, and its checkpoints would hold it
    try:
        return TrainingArguments(output_dir=str(output_dir), **values)
    except (TypeError, ValueError) as error:
        raise OptionError(f"training options: {' '.join(str(error).split())}") from error
