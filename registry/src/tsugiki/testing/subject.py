"""What a conformance check is given: one model class of one family, and what it needs to be tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..export.example_inputs import example_inputs, example_labels, image_size
from ..registry import RegisteredFamily
from ..snapshots.auto_classes import auto_class_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


class ConformanceError(AssertionError):
    """A plugin does not do what every plugin must do; says what to change."""


class NotApplicableError(Exception):
    """A check has nothing to look at here; says why."""


@dataclass(frozen=True)
class Subject:
    """One model class of a family under test.

    Attributes:
        family: The family, from the registry.
        key: The model's key: ``base``, ``backbone`` or a task; empty for checks of the family as a whole.
        folder: An empty folder to write to.
        overrides: Config fields, to make a big default small.
    """

    family: RegisteredFamily
    key: str
    folder: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> PreTrainedConfig:
        """A fresh config."""
        return self.family.config_class()(**self.overrides)

    def model(self, seed: int = 0) -> PreTrainedModel:
        """A model with fresh weights, in eval mode.

        Raises:
            NotApplicableError: It has none, as the network below a perceptron's head.
        """
        torch.manual_seed(seed)
        model = self.family.model_class(self.key)(self.config()).eval()
        if next(model.parameters(), None) is None:
            raise NotApplicableError("the model has no parameters")
        return model

    def awake_model(self) -> PreTrainedModel:
        """The model, its weights far enough from where they begin that nothing is too small to show in its answers."""
        model = self.model()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        return model

    def processor(self) -> Any:
        """The family's processor, set to the picture size of the config; None when the family has none."""
        processor_class = self.family.processor_class()
        if processor_class is None:
            return None
        if isinstance(getattr(processor_class, "size", None), Mapping):
            height, width = image_size(self.config(), processor_class)
            return processor_class(size={"height": height, "width": width})
        return processor_class()

    def inputs(self, model: PreTrainedModel, *, batch_size: int = 3, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs without labels."""
        inputs = example_inputs(model, batch_size=batch_size, processor=self.family.processor_class(), seed=seed)
        return {name: value for name, value in inputs.items() if name != "labels"}

    def labelled(self, model: PreTrainedModel, *, batch_size: int = 4, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs with labels.

        Raises:
            NotApplicableError: What labels the model takes is not known.
        """
        inputs = example_inputs(model, batch_size=batch_size, processor=self.family.processor_class(), seed=seed)
        labels = example_labels(model, inputs, kind=auto_class_of(self.family, self.key) or None, seed=seed)
        if labels is None:
            raise NotApplicableError(
                f"no labels are known for {type(model).__name__}; its property `dummy_inputs` can give them"
            )
        return {**inputs, "labels": labels}

    def classifier(self, *, batch_size: int = 5) -> tuple[PreTrainedModel, dict[str, Tensor]]:
        """A fresh classifier, and random inputs with a label for each of its answers.

        Raises:
            NotApplicableError: The model is none, or has other labels.
        """
        if not (
            self.key.endswith("-classification") or auto_class_of(self.family, self.key).endswith("Classification")
        ):
            raise NotApplicableError("not a classifier")
        model = self.model()
        batch = self.labelled(model, batch_size=batch_size)
        with torch.inference_mode():
            logits = model(**batch).logits
        if batch["labels"].shape != logits.shape[:-1] or len(logits) < 2:
            raise NotApplicableError("the labels are not one for each answer, or there is a single row")
        return model, batch


def require(condition: bool, message: str) -> None:
    """Fail a check with a message unless the condition holds.

    Raises:
        ConformanceError: It does not.
    """
    if not condition:
        raise ConformanceError(message)


def output_tensors(output: Any) -> list[Tensor]:
    """All floating-point tensors of a model's output, in order."""
    return list(_tensors(output))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def largest_difference(one: list[Tensor], other: list[Tensor]) -> float:
    """The largest difference of two lists of tensors, relative to the larger of 1 and the values' own size.

    Lists of different lengths or tensors of different shapes differ infinitely.
    """
    if [tensor.shape for tensor in one] != [tensor.shape for tensor in other]:
        return float("inf")
    differences = [
        float((left - right).abs().max() / max(1.0, float(left.abs().max())))
        for left, right in zip(one, other, strict=True)
        if left.numel()
    ]
    return max(differences, default=0.0)
