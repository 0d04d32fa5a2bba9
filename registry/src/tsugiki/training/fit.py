"""Training by gradient steps: `fit` runs transformers' Trainer over a table, whatever the table came from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..errors import OptionError, did_you_mean
from ..freed_memory import keep_freed_memory
from ..metrics import without_intervals
from ..output import quiet_transformers
from ..predictions import Predictions
from ..task import Task
from ..tensor_table import TensorTable
from .arguments import EARLY_STOPPING, FitOptions, training_arguments
from .job import FitResult, TrainingJob
from .single_rows import single_rows_normalised

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

_WRAPPED = ("forward", "_original_forward")  # what accelerate sets on a model that it trains in bf16 or fp16


def fit(
    model: PreTrainedModel,
    job: TrainingJob,
    *,
    parameter_groups: Sequence[Mapping[str, Any]] | None = None,
    frozen: Sequence[torch.nn.Module] = (),
    callbacks: Sequence[TrainerCallback] = (),
) -> FitResult:
    """Train a model in place.

    Runs unchanged under ``accelerate launch`` on one or many processes. Parameters without ``requires_grad`` stay as
    they are. A run that was killed continues from its last whole checkpoint and ends with the same weights.

    Args:
        model: The model; its ``forward`` gives the loss when labels are in the batch.
        job: Its arguments are fields of `TrainingArguments` and those of `FitOptions`; where there is validation, it is
            done after each epoch.
        parameter_groups: Optimizer groups with their own learning rates.
        frozen: Modules that stay in eval mode, so that their batch normalisation keeps its statistics.
        callbacks: More callbacks of the Trainer.

    Raises:
        OptionError: An option is unknown or out of range.
    """
    from transformers import PrinterCallback
    from transformers.trainer_utils import get_last_checkpoint

    from .table_trainer import EpochOfTable, ProgressBar, TableTrainer, TrainingTime

    own, job = job.split_options(FitOptions)
    args = training_arguments(job.output_dir, _validating(job, own))
    table = job.train.to(args.device)
    with (
        _training_mode(model, own, frozen),
        single_rows_normalised(model),
        quiet_transformers(),
    ):  # making a Trainer sets the config's use_cache
        trainer = TableTrainer(
            model=model,
            args=args,
            train_dataset=table,
            eval_dataset=None if job.validation is None else job.validation.to(args.device),
            compute_metrics=None if job.task is None or job.task.validates_by_loss else _scorer(job.task),
            callbacks=[
                *callbacks,
                *_stopping(own),
                EpochOfTable(table),
                *([ProgressBar(job.title)] if job.progress else []),
            ],
            parameter_groups=parameter_groups,
            task=job.task,
            ema_decay=own.ema_decay,
            rows_per_class=own.rows_per_class,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(TrainingTime)
        checkpoint = get_last_checkpoint(str(job.output_dir)) if job.resume and job.output_dir.is_dir() else None
        with keep_freed_memory(args.device.type == "cpu" and _is_large(table, args.per_device_train_batch_size)):
            trainer.train(resume_from_checkpoint=checkpoint)
        if trainer.average is not None:
            trainer.average.take(model)
    model.eval()
    return FitResult(
        history=_history(trainer.state.log_history),
        seconds=next(item.total() for item in trainer.callback_handler.callbacks if isinstance(item, TrainingTime)),
        steps=trainer.state.global_step,
        processes=args.world_size,
        best_metric=trainer.state.best_metric,
        precision="bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
        device=str(args.device),
    )


def _is_large(table: TensorTable, rows: int) -> bool:
    """Whether a batch holds more inputs than one pass takes best."""
    return table.rows_of_pass(rows, "cpu") < min(rows, len(table))


def _validating(job: TrainingJob, own: FitOptions) -> dict[str, Any]:
    """The job's arguments, and those that validation and early stopping ask for."""
    options = dict(job.arguments)
    if job.validation is not None:
        options.setdefault("eval_strategy", "epoch")
    if own.early_stopping_patience is None:
        return options
    if job.validation is None or job.task is None:
        raise OptionError(f"{EARLY_STOPPING} needs validation data")
    by_loss = job.task.validates_by_loss
    return {
        "save_total_limit": 1,
        **options,
        "save_strategy": options["eval_strategy"],
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss" if by_loss else f"eval_{job.task.main_metric}",
        "greater_is_better": job.task.greater_is_better and not by_loss,
    }


def _stopping(own: FitOptions) -> list[TrainerCallback]:
    """Early stopping, where it is asked for."""
    from transformers import EarlyStoppingCallback

    patience = own.early_stopping_patience
    return [] if patience is None else [EarlyStoppingCallback(early_stopping_patience=patience)]


@contextlib.contextmanager
def _training_mode(model: PreTrainedModel, own: FitOptions, frozen: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Have the model compute as it is to be trained; afterwards all but its weights is as it was."""

    def keep_frozen(module: torch.nn.Module, inputs: Any) -> None:
        for part in frozen:
            part.eval()

    hook = model.register_forward_pre_hook(keep_frozen)
    before = {name: vars(model)[name] for name in _WRAPPED if name in vars(model)}
    attention = model.config._attn_implementation
    caching = {name: value for name, value in vars(model.config).items() if name == "use_cache"}
    try:
        if own.channels_last:
            torch.nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if own.attn_implementation is not None:
            _set_attention(model, own.attn_implementation)
        yield
    finally:
        hook.remove()
        for name in _WRAPPED:  # left in place, everything measured afterwards would be computed in bf16 too
            vars(model).pop(name, None)
        vars(model).update(before)
        if own.attn_implementation is not None:
            model.set_attn_implementation(attention)
        vars(model.config).pop("use_cache", None)
        vars(model.config).update(caching)
        torch.nn.Module.to(model, memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _set_attention(model: PreTrainedModel, implementation: str) -> None:
    """Have the model compute its attention in one of the ways that the installed transformers knows by name."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    known = ["eager", *ALL_ATTENTION_FUNCTIONS.valid_keys()]
    if implementation not in known:
        raise OptionError(f"attn_implementation: {implementation!r} is unknown.{did_you_mean(implementation, known)}")
    try:
        model.set_attn_implementation(implementation)
    except (ValueError, ImportError) as error:
        raise OptionError(f"attn_implementation: {' '.join(str(error).split())}") from error


def _scorer(task: Task) -> Any:
    """`compute_metrics` for the Trainer: the task's figures without their intervals."""

    def compute(prediction: Any) -> dict[str, float]:
        logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        with without_intervals():
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
    order = ("epoch", "loss")  # then by name: a checkpoint keeps its log's fields in another order than they came in
    return [
        dict(sorted(by_epoch[epoch].items(), key=lambda item: (*(item[0] != first for first in order), item[0])))
        for epoch in sorted(by_epoch)
    ]
