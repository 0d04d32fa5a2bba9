"""What provenance records of a fine-tuning: what was tried, chosen and measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..metrics import Metric


@dataclass(frozen=True)
class Probe:
    """What a linear classifier on a stage's frozen features makes of the new classes.

    Attributes:
        depth: The depth that trains all above this stage.
        stage: The stage; ``head`` stands for what the head sees.
        accuracy: Share of right answers on rows that the probe did not see.
    """

    depth: int
    stage: str
    accuracy: float


@dataclass(frozen=True)
class DepthTrial:
    """A short training of one depth.

    Attributes:
        depth: ``head``, the number of stages that were trained besides it, or ``all``.
        loss: After it, on rows that it did not see.
    """

    depth: str
    loss: float


@dataclass(frozen=True)
class DepthChoice:
    """A depth and how it came about.

    Attributes:
        depth: How many stages to train besides the head.
        probes: What was measured of a classifier's stages, from the head down.
        why: The reason, one sentence.
        trials: Short trainings of any other network, from the head down.
    """

    depth: int
    probes: list[Probe]
    why: str
    trials: list[DepthTrial] = field(default_factory=list)


@dataclass(frozen=True)
class BaseProbe:
    """What a linear classifier on the frozen features of an installed base makes of the new classes.

    Attributes:
        base: Name of the base.
        accuracy: Share of right answers on rows that the probe did not see; None where it was not tried.
        stage: Whose features were the best; ``head`` stands for what the head sees.
        seconds: What it took.
        skipped: Why it was not tried, if it was not.
    """

    base: str
    accuracy: Metric | None = None
    stage: str = ""
    seconds: float = 0.0
    skipped: str = ""


@dataclass(frozen=True)
class BaseChoice:
    """A base and how it came about.

    Attributes:
        base: Name of the base.
        probes: What was measured, the best first; bases that are clearly worse were left after few rows.
        why: The reason, one sentence.
    """

    base: str
    probes: list[BaseProbe]
    why: str


@dataclass(frozen=True)
class HeadRecord:
    """The head that was fitted.

    Attributes:
        kind: ``logistic``, ``svm`` or ``mlp``.
        strength: The regularisation that was used.
        tried: Every strength that was tried with its accuracy by cross-validation.
        scale: What an SVM's decision values were multiplied by.
    """

    kind: str
    strength: float
    tried: list[dict[str, float]]
    scale: float


@dataclass(frozen=True)
class TrainingRecord:
    """A training below the head.

    Attributes:
        learning_rate: The rate it was trained at; None when only the head was fitted.
        tried: Per rate the validation loss and the task's metric.
        chosen_on: What the rate was chosen on.
        steps: Optimizer steps.
        seconds: All trainings together.
        metrics: What was measured, of the training from scratch.
    """

    learning_rate: float | None
    tried: list[dict[str, float]]
    chosen_on: str
    steps: int
    seconds: float
    metrics: dict[str, Metric] | None = None


@dataclass(frozen=True, kw_only=True)
class TransferFacts:
    """What a fine-tuning says of itself and provenance keeps as it is.

    Attributes:
        base: Name of the base model.
        stages: Names of the base's stages, from input to output.
        asked: The depth that was asked for.
        choice: How ``auto`` chose, or None.
        examples_per_class: Fewest and most training rows of a class; empty where there are no classes.
        rows: Rows by part: ``train``, ``validation``, ``test``.
        measured_on: The rows it was measured on, in words.
        augmentation: Fields of the augmentation.
        seconds: Wall time by phase.
        adapted: What is new against the base besides what was trained, one sentence; empty of a classifier, whose head
            is.
        caveats: What speaks against the figures, one sentence each.
        base_choice: How ``auto`` chose the base, or None.
    """

    base: str
    stages: list[str]
    asked: str
    choice: DepthChoice | None
    examples_per_class: list[int]
    rows: dict[str, int]
    measured_on: str
    augmentation: dict[str, Any]
    seconds: dict[str, float]
    adapted: str = ""
    caveats: list[str] = field(default_factory=list)
    base_choice: BaseChoice | None = None


@dataclass(frozen=True, kw_only=True)
class TransferRecord(TransferFacts):
    """A fine-tuning.

    Attributes:
        depth: ``head``, the number of stages that were trained besides it, or ``all``.
        head: The head that was fitted on features; None where the network learns by its loss alone.
        training: The training below the head.
        scratch: That of the same network from fresh weights, or None.
        estimate: The estimate before it started.
        files: How many files of a folder were found, read and left out.
    """

    depth: str
    head: HeadRecord | None
    training: TrainingRecord
    scratch: TrainingRecord | None
    estimate: dict[str, Any]
    files: dict[str, int] = field(default_factory=dict)
