"""transformers' Trainer over tensor tables: whole batches by one indexing, checkpoints that are whole or absent."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import rotate_checkpoints

from ..durations import Stopwatch
from ..errors import OptionError
from ..output import discard
from ..task import Task
from ..tensor_table import IGNORED, Batch, TensorTable
from .class_rows import ClassRows
from .length_grouping import BY_LENGTH, LengthGroupedRows, row_lengths
from .weight_average import WeightAverage

_SAVING = "saving"


def _identity(batch: Batch) -> Batch:
    return batch


class TableTrainer(Trainer):
    """A Trainer whose data sets are `TensorTable` objects.

    A batch is fetched as a whole and never collated. A checkpoint is written beside its place and renamed when it is
    complete, so that a run killed at any moment resumes from the last whole one.

    Args:
        parameter_groups: Optimizer groups such as ``{"params": [...], "lr": 1e-3}``; by default all trainable
            parameters at ``learning_rate``.
        task: Says what validation keeps of a forward pass; by default the output's ``logits``.
        ema_decay: Validate an exponential moving average of the weights, and keep it in checkpoints.
        rows_per_class: Rows of each class in a batch.
        options: What `transformers.Trainer` takes.
    """

    def __init__(
        self,
        *,
        parameter_groups: Sequence[Mapping[str, Any]] | None = None,
        task: Task | None = None,
        ema_decay: float | None = None,
        rows_per_class: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_collator=_identity, **options)  # type: ignore[arg-type]
        self._groups = parameter_groups
        self._task = task
        self._rows_per_class = rows_per_class
        self.average = None if ema_decay is None else WeightAverage(self._network, ema_decay)
        if self.average is not None:
            self.add_callback(Averaging(self.average))
        self._saving_to: str | None = None
        self._is_over = False
        # Many a forward takes **kwargs and still returns a mean; Trainer would take it for a sum over all processes.
        self.model_accepts_loss_kwargs = False

    @property
    def _network(self) -> torch.nn.Module:
        assert self.model is not None
        return self.model

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Build the optimizer, over our own parameter groups where they were given."""
        if self.optimizer is None and self._groups is not None:
            optimizer_class, defaults = self.get_optimizer_cls_and_kwargs(self.args)
            defaults.setdefault("weight_decay", self.args.weight_decay)
            self.optimizer = optimizer_class([dict(group) for group in self._groups], **defaults)
        return super().create_optimizer() if model is None else super().create_optimizer(model)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """The order of rows; ``train_sampling_strategy: group_by_length`` puts texts of like length together."""
        table = self.train_dataset if train_dataset is None else train_dataset
        by_length = self.args.train_sampling_strategy == BY_LENGTH
        if self._rows_per_class is not None and isinstance(table, TensorTable):
            if by_length:
                raise OptionError("rows_per_class and train_sampling_strategy = group_by_length are two orders of rows")
            size = self.args.train_batch_size
            return ClassRows(table, size, per_class=self._rows_per_class, seed=self.args.seed)
        if not by_length or not isinstance(table, TensorTable):
            return super()._get_train_sampler(train_dataset)
        if row_lengths(table) is None:
            raise OptionError("train_sampling_strategy = group_by_length needs rows that have a length, such as texts")
        return LengthGroupedRows(table, self.args.train_batch_size, seed=self.args.seed)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """The norm that clipping computed; without clipping none is worth its time in every step."""
        return None if grad_norm is None else super()._get_grad_norm(model, grad_norm=grad_norm)

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: it walks over all parameters in every step, and nobody reads the count."""
        return 0

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, Any]:
        """The model's own loss, a mean over the batch; of several processes the mean over the labels of all.

        Where labels are smoothed (``label_smoothing_factor``), they are taken from the inputs, so what an
        encoder-decoder's decoder reads is made of them first.
        """
        inner: Any = self.accelerator.unwrap_model(model)
        make = getattr(inner, "prepare_decoder_input_ids_from_labels", None)
        labels = inputs.get("labels")
        if self.label_smoother is not None and make is not None and labels is not None:
            inputs = {"decoder_input_ids": make(labels), **inputs}
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training and self.args.world_size > 1 and isinstance(labels, Tensor):
            loss = loss * self._share_of_labels(labels)
        return (loss, outputs) if return_outputs else loss

    def _share_of_labels(self, labels: Tensor) -> Tensor | float:
        """How much this process's mean counts, on average 1: texts of different lengths ask for different numbers of
        tokens, and the processes' gradients are averaged as if they were equal."""
        if labels.ndim < 2 or labels.is_floating_point():
            return 1.0
        asked = (labels != IGNORED).sum()
        return asked * self.args.world_size / self.accelerator.reduce(asked.clone(), "sum")

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """The figures of the model, or of the average of its weights where there is one."""
        with contextlib.nullcontext() if self.average is None else self.average.taken(self._network):
            return super().evaluate(*args, **options)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.average is not None:
            self.average.load(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        if self.average is not None:
            self.average.load(Path(str(self.state.best_model_checkpoint)))

    def prediction_step(
        self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Any, Any]:
        """Loss, outputs and labels of one batch; the outputs are what the task keeps of a forward pass."""
        prediction_loss_only = prediction_loss_only or (self._task is not None and self._task.validates_by_loss)
        if prediction_loss_only or self._task is None or type(self._task).outputs is Task.outputs:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        loss, _, _ = super().prediction_step(model, inputs, True, ignore_keys)
        batch = self._prepare_inputs(inputs)
        labels = batch["labels"]
        with torch.no_grad(), self.compute_loss_context_manager():
            outputs = self._task.outputs(model, {name: value for name, value in batch.items() if name != "labels"})
        if isinstance(outputs, list):  # the Trainer gathers tensors alone
            return loss, None, None
        return loss, outputs.float(), labels

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        """Begin at a checkpoint, or anew; a checkpoint may be that of a training which was about to stop early."""
        begun = super()._init_training_state(*args, **kwargs)
        stopping = [one for one in self.callback_handler.callbacks if isinstance(one, EarlyStoppingCallback)]
        self._is_over = any(one.early_stopping_patience_counter >= one.early_stopping_patience for one in stopping)
        return begun

    def _run_epoch(self, *args: Any, **options: Any) -> None:
        """An epoch, unless the training had been stopped before it was killed."""
        if self._is_over:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **options)

    def _finalize_training(self, *args: Any, **options: Any) -> Any:
        """The end of the training, which leaves its last checkpoint whole: the library would remove it bit by bit."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            return super()._finalize_training(*args, **options)
        finally:
            self.args.save_total_limit = limit

    def _get_output_dir(self, trial: Any) -> str:
        """Where checkpoints are written: beside their place while they are unfinished."""
        return self._saving_to or super()._get_output_dir(trial)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        run = Path(str(self.args.output_dir))
        saving = run / _SAVING
        name = f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            shutil.rmtree(saving, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        limit = self.args.save_total_limit
        self._saving_to = str(saving)
        self.args.save_total_limit = None  # rotation would look into `saving`
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._saving_to = None
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = str(run / name)
        if self.args.should_save:
            if self.average is not None:
                self.average.save(saving / name)
            self.state.save_to_json(str(saving / name / TRAINER_STATE_NAME))  # names the best where it will be
            discard(run / name)
            (saving / name).replace(run / name)
            shutil.rmtree(saving, ignore_errors=True)
            rotate_checkpoints(
                output_dir=str(run),
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=False,
            )
        self.accelerator.wait_for_everyone()


class EpochOfTable(TrainerCallback):
    """Tell the training table which epoch it is, also after a resume in the middle of one."""

    def __init__(self, table: TensorTable) -> None:
        self.table = table

    def on_epoch_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Count the epochs that are complete."""
        self.table.epoch = int((state.epoch or 0) + 1e-6)


class Averaging(TrainerCallback):
    """Take every step's weights into their average."""

    def __init__(self, average: WeightAverage) -> None:
        self.average = average

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """The weights are those of the step."""
        self.average.update(model)


class ProgressBar(TrainerCallback):
    """One line of progress: steps, epoch and the last figures."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: tqdm | None = None
        self.figures: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Open the bar at the step the run is at."""
        if state.is_world_process_zero:
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.title, dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move on by a step."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self, args: Any, state: TrainerState, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Show the last loss and validation figures."""
        shown = {key: value for key, value in (logs or {}).items() if key == "loss" or key.startswith("eval_")}
        hidden = ("runtime", "per_second")
        self.figures |= {
            key.removeprefix("eval_"): f"{float(value):.4f}" for key, value in shown.items() if not key.endswith(hidden)
        }
        if self.bar is not None:
            self.bar.set_postfix(epoch=f"{state.epoch or 0:.0f}", **self.figures, refresh=False)

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class TrainingTime(TrainerCallback, ExportableState):
    """Wall time of a training; what a checkpoint says of it is that of the parts before a kill."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._stopwatch: Stopwatch | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Start."""
        self._stopwatch = Stopwatch(self.seconds)

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Stop."""
        self.seconds, self._stopwatch = self.total(), None

    def total(self) -> float:
        """Seconds so far."""
        return self.seconds if self._stopwatch is None else self._stopwatch.seconds

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"args": {"seconds": self.total()}, "attributes": {}}
