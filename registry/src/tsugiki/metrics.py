"""Bootstrap intervals and the metrics that several tasks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """A measured figure with its 95 % interval.

    Attributes:
        value: The figure; a fraction where the field uses percent.
        low: Lower end of the bootstrap interval.
        high: Upper end.
        n: Number of examples it was measured on.
    """

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float]:
        """Plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap_interval(
    rows: int,
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap (Efron 1979) of a statistic over examples.

    Args:
        rows: Number of examples.
        statistic: Takes row numbers drawn with replacement (rows,) and returns the figure on them.
        resamples: Number of draws.
        seed: Seed of the draws.
        level: Coverage.

    Returns:
        Lower and upper end.
    """
    generator = np.random.default_rng(seed)
    figures = [statistic(generator.integers(0, rows, rows)) for _ in range(resamples)]
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_metric(values: NDArray[np.generic], *, resamples: int = 1000, seed: int = 0) -> Metric:
    """The mean of one value per example, such as 0/1 for wrong/right, with its bootstrap interval.

    Args:
        values: One value per example (N,), N at least 1.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.
    """
    numbers = values.astype(np.float64)
    if numbers.size and np.isin(numbers, (0.0, 1.0)).all():
        # Resampling zeros and ones with replacement and counting the ones is a binomial draw.
        counts = np.random.default_rng(seed).binomial(numbers.size, numbers.mean(), resamples)
        low, high = (float(end) for end in np.quantile(counts / numbers.size, [0.025, 0.975]))
    else:
        low, high = bootstrap_interval(
            numbers.size, lambda rows: float(numbers[rows].mean()), resamples=resamples, seed=seed
        )
    return Metric(float(numbers.mean()), low, high, int(numbers.size))
