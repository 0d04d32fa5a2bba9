"""What every method of training word vectors returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainedVectors:
    """Word vectors and how their training went.

    Attributes:
        matrix: float32 (V, D), a row per word of the vocabulary, by its number.
        history: One entry per epoch with ``epoch`` and ``loss`` where the method has one.
        steps: Updates taken in all.
        device: Such as ``cpu`` or ``cuda:0``.
        processes: Number of processes.
        precision: ``fp32`` or ``bf16``.
    """

    matrix: NDArray[np.float32]
    history: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    device: str = "cpu"
    processes: int = 1
    precision: str = "fp32"
