"""How deep to train: chosen by measurement, and deeper the more there is to learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..table import TensorTable
from .features import HEAD, stage_features
from .options import Options
from .rows import class_counts
from .stages import depth_name, stages_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEW = 20  # examples a class; below, what is measured is measured by cross-validation
FOLDS = 5
MOST_ROWS = 2000  # that a probe looks at
_RIDGE = 0.1  # penalty of a probe, per row, on standardised features


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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class DepthChoice:
    """A depth and how it came about.

    Attributes:
        depth: How many stages to train besides the head.
        probes: What was measured, from the head down.
        why: The reason, one sentence.
    """

    depth: int
    probes: list[Probe]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"depth": self.depth, "probes": [probe.to_dict() for probe in self.probes], "why": self.why}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DepthChoice:
        """Read what `to_dict` gave."""
        return cls(values["depth"], [Probe(**probe) for probe in values["probes"]], values["why"])


def choose_depth(model: PreTrainedModel, table: TensorTable, options: Options, *, num_labels: int) -> DepthChoice:
    """Choose how many stages to train.

    Args:
        model: The grafted model; its head plays no part.
        table: Training rows, not augmented.
        options: The options.
        num_labels: Number of classes.
    """
    return DepthChoice(len(stages_of(model)), [], "placeholder")
