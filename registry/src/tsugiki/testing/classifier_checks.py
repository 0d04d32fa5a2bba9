"""Checks of classifiers: what their loss is, how fresh weights answer, whether they learn, in which precision."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..tensor_table import IGNORED
from .subject import NotApplicableError, Subject, largest_difference, require

STEPS, COUNTED, LEARNING_RATE = 150, 10, 0.01
LEAST_SPREAD, MOST_SPREAD = 1e-3, 5.0  # standard deviation of fresh logits; some papers draw small weights
TOLERANCE = 1e-5  # of the loss, relative: another order of the same additions
BF16_TOLERANCE = 0.05  # it has 8 bits


def loss_is_the_mean_cross_entropy(subject: Subject) -> None:
    """The loss is the mean cross entropy in nats over the rows that have a label; -100 stands where there is none."""
    model, batch = subject.classifier()
    if _has_loss_of_its_own(model):
        raise NotApplicableError("the model has another loss, its method `loss`")
    batch["labels"] = batch["labels"].clone()
    batch["labels"][1] = IGNORED
    with torch.inference_mode():
        output = model(**batch)
    expected = _cross_entropy(output.logits, batch["labels"])
    require(
        torch.allclose(output.loss, expected, rtol=1e-5, atol=1e-5),
        f"{type(model).__name__} gives the loss {float(output.loss):.4f} where a row has the label {IGNORED}; the mean "
        f"cross entropy over the other rows is {float(expected):.4f}: F.cross_entropy leaves such rows out. A network "
        "with another loss by its paper computes it in a method `loss`",
    )


def problem_type_is_obeyed(subject: Subject) -> None:
    """The loss is the one that the config's ``problem_type`` names, torch's own; or the problem is refused in one line.

    A single label without a ``problem_type`` is a regression.
    """
    model, batch = subject.classifier()
    with torch.inference_mode():
        shape = model(**batch).logits.shape
    numbers = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    cases: list[tuple[Any, Any, Tensor, torch.nn.Module]] = [
        ("single_label_classification", model, batch["labels"], torch.nn.CrossEntropyLoss()),
        ("multi_label_classification", model, numbers.round(), torch.nn.BCEWithLogitsLoss()),
        ("regression", model, numbers, torch.nn.MSELoss()),
    ]
    single = replace(subject, overrides={**subject.overrides, "num_labels": 1}).model()
    cases.append((None, single, numbers[..., 0], torch.nn.MSELoss()))
    refused: list[str | None] = []
    for kind, judged, labels, expected in cases:
        own = kind == "single_label_classification" and _has_loss_of_its_own(model)
        if own or (kind is None and "regression" in refused):
            continue
        judged.config.problem_type = kind
        try:
            with torch.inference_mode():
                output = judged(**{**batch, "labels": labels})
        except ValueError as error:
            require(
                "problem_type" in str(error) and "\n" not in str(error),
                f"{type(model).__name__} with problem_type={kind!r} raises {str(error)[:120]!r}; compute the loss with "
                "tsugiki.classification_loss, or refuse the problem in one line that names problem_type",
            )
            refused.append(kind)
            continue
        logits = output.logits if kind else output.logits[..., 0]
        if kind == "single_label_classification":
            logits, labels = logits.flatten(0, -2), labels.flatten()
        found, right = float(output.loss), float(expected(logits, labels))
        require(
            abs(found - right) <= TOLERANCE * max(1, abs(right)),
            f"{type(model).__name__} with problem_type={kind!r} and {shape[-1] if kind else 1} labels gives the loss "
            f"{found:.4f}; torch's {type(expected).__name__} is {right:.4f}: compute it with "
            "tsugiki.classification_loss, or refuse the problem in one line",
        )


def bfloat16_stays_close(subject: Subject) -> None:
    """Under autocast to bfloat16, pictures in channels-last memory, the logits stay close to those in float32, and the
    loss is computed from them in float32.
    """
    model, batch = subject.classifier()
    with torch.inference_mode():
        expected = model(**batch).logits
        if batch[model.main_input_name].ndim == 4:
            torch.nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]
            batch = {name: _channels_last(value) for name, value in batch.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = _run_if_possible(model, batch)
    require(
        output.loss.dtype == torch.float32,
        f"{type(model).__name__} computes the loss in {output.loss.dtype} under autocast; give F.cross_entropy "
        "logits.float()",
    )
    difference = largest_difference([expected], [output.logits.float()])
    require(
        difference <= BF16_TOLERANCE,
        f"{type(model).__name__}'s logits differ by {difference:.2f} under autocast to bfloat16; compute sums over "
        "many values in float32",
    )
    rounded = not torch.allclose(output.loss, _cross_entropy(output.logits, batch["labels"]), rtol=1e-5, atol=1e-5)
    require(
        _has_loss_of_its_own(model) or not rounded,
        f"{type(model).__name__} rounds its loss under autocast; give F.cross_entropy logits.float()",
    )


def fresh_logits_are_neither_flat_nor_huge(subject: Subject) -> None:
    """Fresh weights answer neither all alike nor with certainty."""
    model, batch = subject.classifier()
    with torch.no_grad():
        spread = float(model.train()(**batch).logits.std())
    require(
        LEAST_SPREAD < spread < MOST_SPREAD,
        f"fresh logits of {type(model).__name__} have the standard deviation {spread:.2g}; draw the weights of each "
        "layer for its number of inputs",
    )


def a_few_steps_fit_a_batch(subject: Subject) -> None:
    """A few steps of AdamW halve the loss on one batch."""
    model, batch = subject.classifier()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    losses: list[float] = []
    for _ in range(STEPS):
        loss = model(**batch).loss
        losses.append(float(loss.detach()))
        if len(losses) > COUNTED and median(losses[-COUNTED:]) < losses[0] / 2:  # a single step may leap
            return
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    require(
        False,
        f"{STEPS} steps on one batch change the loss of {type(model).__name__} from {losses[0]:.3f} to "
        f"{losses[-1]:.3f}; let every layer learn from the labels, and leave nothing frozen or detached in between",
    )


def head_stands_on_the_base_model(subject: Subject) -> None:
    """The head reads the pooled features of the family's base model, which the classifier holds."""
    from ..transfer.stages import head_of

    if "base" not in subject.family.declaration.models:
        raise NotApplicableError("the family has no base model")
    model, batch = subject.classifier()
    base_class = subject.family.model_class("base")
    base: Any = getattr(model, model.base_model_prefix, None)
    require(
        isinstance(base, base_class),
        f"{type(model).__name__} has no {base_class.__name__} under its base_model_prefix "
        f"{model.base_model_prefix!r}; hold the shared part there, so that each loads the other's weights",
    )
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.inference_mode():
        features, logits = base(**inputs).get("pooler_output"), model(**inputs).logits
        if features is None or logits.ndim != 2:
            raise NotApplicableError("the base model pools nothing, or the classifier answers at every place")
        require(
            features.ndim == 2,
            f"pooler_output of {type(base).__name__} has the shape {tuple(features.shape)}; make it (N, D)",
        )
        difference = largest_difference([logits], [head_of(model)[1](features)])
    require(
        difference <= 1e-6,
        f"the head of {type(model).__name__} on the base model's pooler_output differs by {difference:.1e} from its "
        "logits; pool in the base model",
    )


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross entropy in nats over the labels (…) that are not -100, of logits (…, C)."""
    return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten(), ignore_index=IGNORED)


def _has_loss_of_its_own(model: Any) -> bool:
    from ..text_classifier import TextClassifier

    return getattr(type(model), "loss", TextClassifier.loss) is not TextClassifier.loss


def _run_if_possible(model: Any, batch: dict[str, Tensor]) -> Any:
    try:
        return model(**batch)
    except RuntimeError as error:
        if "could not create a primitive" in str(error):  # oneDNN has an LSTM in bfloat16 for some processors only
            raise NotApplicableError(
                "torch has no kernel of one of its layers in bfloat16 on this processor"
            ) from error
        raise


def _channels_last(value: Tensor) -> Tensor:
    return value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
