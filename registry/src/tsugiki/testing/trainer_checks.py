"""Checks with transformers' Trainer, among them its two silent traps."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .subject import NotApplicableError, Subject, require

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LEARNING_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
INFLATED = 1.5  # the trap multiplies the loss by 2 or more


def one_step_lowers_the_loss(subject: Subject) -> None:
    """One step of the Trainer lowers the loss on the batch it was made with."""
    losses = []
    for rate in LEARNING_RATES:
        model = subject.model()
        batch = subject.labelled(model)
        before = _loss(model, batch)
        _train(model, batch, subject, max_steps=1, learning_rate=rate, per_device_train_batch_size=_rows(batch))
        after = _loss(model, batch)
        if after < before:
            return
        losses.append(f"{before:.4f} -> {after:.4f}")
    require(False, f"a step of gradient descent does not lower the loss ({'; '.join(losses)}): is its sign right?")


def loss_is_not_inflated(subject: Subject) -> None:
    """The loss that the Trainer logs with two accumulation steps is the mean of the two.

    Trainer takes a ``forward`` with ``**kwargs`` for one that divides the loss by ``num_items_in_batch`` itself, and
    stops dividing.
    """
    model = subject.model()
    batch = subject.labelled(model, batch_size=4)
    half = _rows(batch) // 2
    if half == 0:
        raise NotApplicableError("`dummy_inputs` gives a single row; two accumulation steps need two")
    halves = [{name: value[start : start + half] for name, value in batch.items()} for start in (0, half)]
    expected = sum(_loss(model, one) for one in halves) / 2
    logged = _train(
        model,
        {name: value[: 2 * half] for name, value in batch.items()},
        subject,
        max_steps=1,
        learning_rate=0.0,
        per_device_train_batch_size=half,
        gradient_accumulation_steps=2,
    )
    if logged <= INFLATED * expected:
        return
    takes_any = any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in inspect.signature(type(model).forward).parameters.values()
    )
    remedy = (
        f"its forward takes **kwargs: set `accepts_loss_kwargs = False` on {type(model).__name__}, or name them"
        if takes_any
        else "divide the loss by num_items_in_batch where it is given, or set `accepts_loss_kwargs = False`"
    )
    require(False, f"Trainer logs a loss of {logged:.4f} where it is {expected:.4f}; {remedy}")


def loss_function_fits_the_task(subject: Subject) -> None:
    """A model that computes its loss with ``self.loss_function`` has a class name that picks the right one.

    transformers picks it by the end of the class name, and takes the loss of causal language models for any name that
    it does not know.
    """
    from transformers.loss.loss_utils import LOSS_MAPPING

    from ..snapshots.auto_classes import auto_class_of

    model = subject.model()
    name = type(model).__name__
    batch = subject.labelled(model)
    picked = model.loss_function
    used = False

    def record(*values: Any, **named: Any) -> Tensor:
        nonlocal used
        used = True
        return torch.zeros(())

    model.loss_function = record
    with torch.inference_mode():
        model(**batch)
    if not used:
        return
    suffix = auto_class_of(subject.family, subject.key).removeprefix("AutoModel")
    expected = LOSS_MAPPING.get(suffix)
    wrong = picked is not expected if expected is not None else getattr(model, "loss_type", None) not in LOSS_MAPPING
    end = f"let it end in {suffix!r}" if expected is not None else "compute the loss in forward"
    require(not wrong, f"the class name {name} makes self.loss_function {picked.__name__}; {end}")


def _rows(batch: dict[str, Tensor]) -> int:
    return len(batch["labels"])


def _loss(model: PreTrainedModel, batch: dict[str, Tensor]) -> float:
    """The loss in training mode, with the same dropout every time; the model's buffers stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    torch.manual_seed(0)
    with torch.no_grad():
        loss = model(**batch).loss
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    require(loss is not None, f"{type(model).__name__}.forward(labels=…) returns no loss")
    return float(loss)


def _train(model: PreTrainedModel, batch: dict[str, Tensor], subject: Subject, **options: Any) -> float:
    """Train on the rows of one batch with the stock Trainer and return the loss it logs."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    rows = [{name: value[row] for name, value in batch.items()} for row in range(_rows(batch))]
    arguments = TrainingArguments(
        output_dir=str(subject.folder / "run"),
        disable_tqdm=True,
        dataloader_pin_memory=False,
        logging_steps=1,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        optim="sgd",
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        **options,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return float(trainer.state.log_history[0]["loss"])
