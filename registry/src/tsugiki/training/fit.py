"""Training: `fit` runs transformers' Trainer over a table, whatever the table came from."""

from __future__ import annotations

import atexit
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import OptionError, did_you_mean
from ..output import quiet_transformers
from ..predictions import Predictions
from ..task import Task
from ..tensor_table import TensorTable

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

EARLY_STOPPING = "early_stopping_patience"
CHANNELS_LAST = "channels_last"
ATTENTION = "attn_implementation"
OWN_OPTIONS = (EARLY_STOPPING, CHANNELS_LAST, ATTENTION)
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


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What a training run leaves besides the weights.

    Attributes:
        history: One entry per epoch: ``epoch``, ``loss``, ``learning_rate``, and ``eval_*`` where there is validation.
        seconds: Wall time of steps and validations, earlier parts of a resumed run included.
        steps: Optimizer steps taken in all, earlier parts of a resumed run included.
        processes: Number of processes.
        best_metric: Best validation figure, where there is validation and a task.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: Such as ``cpu`` or ``cuda:0``.
    """

    history: list[dict[str, float]]
    seconds: float
    steps: int
    processes: int
    best_metric: float | None
    precision: str
    device: str


def argument_names() -> list[str]:
    """The options of a training: the fields of `TrainingArguments` and ours."""
    from transformers import TrainingArguments

    return [item.name for item in dataclasses.fields(TrainingArguments) if item.init] + list(OWN_OPTIONS)


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse an option that does not exist.

    Raises:
        OptionError: Names the option and the nearest that exists.
    """
    names = argument_names()
    for name in arguments:
        if name not in names:
            raise OptionError(f"unknown training option {name!r}.{did_you_mean(name, names)}")


def training_arguments(output_dir: str | Path, options: Mapping[str, Any]) -> TrainingArguments:
    """Build `TrainingArguments` from options by their own names over the project's defaults.

    Raises:
        OptionError: An option is unknown or refused by transformers.
    """
    from transformers import TrainingArguments

    check_arguments(options)
    values = {"use_cpu": not torch.accelerator.is_available(), **DEFAULTS}
    values |= {name: value for name, value in options.items() if name not in OWN_OPTIONS}
    try:
        return TrainingArguments(output_dir=str(output_dir), **values)
    except (TypeError, ValueError) as error:
        raise OptionError(f"training options: {' '.join(str(error).split())}") from error


def fit(
    model: PreTrainedModel,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    parameter_groups: Sequence[Mapping[str, Any]] | None = None,
    frozen: Sequence[torch.nn.Module] = (),
    callbacks: Sequence[TrainerCallback] = (),
    resume: bool = True,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train a model in place.

    Runs unchanged under ``accelerate launch`` on one or many processes. Parameters without ``requires_grad`` stay as
    they are. A run that was killed continues from its last whole checkpoint and ends with the same weights.

    Args:
        model: The model; its ``forward`` gives the loss when labels are in the batch.
        train: Training rows, augmented if the table says so.
        output_dir: Folder of the run, for checkpoints.
        arguments: Fields of `TrainingArguments` by their own names, ``early_stopping_patience`` in epochs,
            ``channels_last`` to compute convolutions in that memory format, which is faster for some, and
            ``attn_implementation`` to compute attention in another way during the training: ``eager`` is faster than
            ``sdpa`` on a CPU.
        validation: Rows to validate on after each epoch.
        task: Scores the validation.
        parameter_groups: Optimizer groups with their own learning rates.
        frozen: Modules that stay in eval mode, so that their batch normalisation keeps its statistics.
        callbacks: More callbacks of the Trainer.
        resume: Continue from a checkpoint in `output_dir`.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        OptionError: An option is unknown or out of range.
    """
    from transformers import EarlyStoppingCallback, PrinterCallback
    from transformers.trainer_utils import get_last_checkpoint

    from .table_trainer import EpochOfTable, ProgressBar, Stopwatch, TableTrainer

    options = dict(arguments)
    extra = list(callbacks)
    if validation is not None:
        options.setdefault("eval_strategy", "epoch")
    if (patience := options.pop(EARLY_STOPPING, None)) is not None:
        if validation is None or task is None:
            raise OptionError(f"{EARLY_STOPPING} needs validation data")
        options["save_strategy"] = options["eval_strategy"]
        options |= {
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss" if task.validates_by_loss else f"eval_{task.main_metric}",
            "greater_is_better": task.greater_is_better and not task.validates_by_loss,
        }
        options.setdefault("save_total_limit", 1)
        extra.append(EarlyStoppingCallback(early_stopping_patience=patience))
    if options.pop(CHANNELS_LAST, False):
        torch.nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]
    attention = options.pop(ATTENTION, None)
    args = training_arguments(output_dir, options)
    table = train.to(args.device)
    extra.append(EpochOfTable(table))
    if progress:
        extra.append(ProgressBar(title))

    trainer = TableTrainer(
        model=model,
        args=args,
        train_dataset=table,
        eval_dataset=validation.to(args.device) if validation is not None else None,
        compute_metrics=None if validation is None or task is None or task.validates_by_loss else _score(task),
        callbacks=extra,
        parameter_groups=parameter_groups,
        task=task,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Stopwatch)
    checkpoint = get_last_checkpoint(str(output_dir)) if resume and Path(output_dir).is_dir() else None
    use_cache = getattr(model.config, "use_cache", None)

    def keep_frozen(module: torch.nn.Module, inputs: Any) -> None:
        for part in frozen:
            part.eval()

    hook = model.register_forward_pre_hook(keep_frozen)
    wrapped = ("forward", "_original_forward")  # what accelerate sets on a model that it trains in bf16 or fp16
    own = {name: vars(model)[name] for name in wrapped if name in vars(model)}
    attention_before = model.config._attn_implementation
    try:
        if attention is not None:
            _set_attention(model, attention)
        with quiet_transformers():
            trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        hook.remove()
        for name in wrapped:  # left in place, everything measured afterwards would be computed in bf16 too
            vars(model).pop(name, None)
        vars(model).update(own)
        if attention is not None:
            model.set_attn_implementation(attention_before)
        torch.nn.Module.to(model, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if use_cache is not None:
        model.config.use_cache = use_cache
    model.eval()
    return FitResult(
        history=_history(trainer.state.log_history),
        seconds=next(item.total() for item in trainer.callback_handler.callbacks if isinstance(item, Stopwatch)),
        steps=trainer.state.global_step,
        processes=args.world_size,
        best_metric=trainer.state.best_metric,
        precision="bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
        device=str(args.device),
    )


def _set_attention(model: PreTrainedModel, implementation: str) -> None:
    """Have the model compute its attention in one of the ways that the installed transformers knows by name."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    known = ["eager", *ALL_ATTENTION_FUNCTIONS.valid_keys()]
    if implementation not in known:
        raise OptionError(f"{ATTENTION}: {implementation!r} is unknown.{did_you_mean(implementation, known)}")
    try:
        model.set_attn_implementation(implementation)
    except (ValueError, ImportError) as error:
        raise OptionError(f"{ATTENTION}: {' '.join(str(error).split())}") from error


def _score(task: Task) -> Any:
    """`compute_metrics` for the Trainer: the task's figures without their intervals."""

    def compute(prediction: Any) -> dict[str, float]:
        logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        metrics = task.metrics(Predictions(logits, prediction.label_ids))
        return {name: metric.value for name, metric in metrics.items()}

    return compute


def _history(log: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The Trainer's log with the entries of one epoch joined, without timings."""
    by_epoch: dict[float, dict[str, float]] = {}
    for entry in log:
        if "train_runtime" in entry:
            continue
        kept = by_epoch.setdefault(float(entry["epoch"]), {"epoch": float(entry["epoch"])})
        for key, value in entry.items():
            timing = key.endswith(("_runtime", "_per_second"))
            if key not in ("epoch", "step", "grad_norm") and not timing:
                kept[key] = float(value)
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def is_main_process() -> bool:
    """Whether this process writes; the others compute along."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_all() -> None:
    """Let every process of a launch arrive here."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def _leave_group() -> None:
    """Leave the group of processes before the interpreter ends; its threads would abort it otherwise."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


atexit.register(_leave_group)
