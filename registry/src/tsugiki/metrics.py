"""Figures with their intervals and kinds, and how shares and means are measured.

Listing models reads figures, so numpy is imported where one is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["share", "count", "score"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Metric:
    """A measured figure with its 95 % interval.

    Attributes:
        value: The figure; of a share a fraction, where the field uses per cent.
        low: Lower end of the bootstrap interval.
        high: Upper end.
        n: How many things it was measured on; of a share, those that were counted, such as rows, words or entities.
        kind: ``share``, a fraction of `n` things, is shown in per cent and verified by counting; ``count`` is a whole
            number of things; ``score`` is any other figure, shown with four digits and verified relatively.
    """

    value: float
    low: float
    high: float
    n: int
    kind: Kind

    def to_dict(self) -> dict[str, Any]:
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
    import numpy as np

    generator = np.random.default_rng(seed)
    figures = [statistic(generator.integers(0, rows, rows)) for _ in range(resamples)]
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def score_metric(
    statistic: Callable[[NDArray[np.int64]], float],
    rows: int,
    *,
    n: float | None = None,
    kind: Kind = "score",
    seed: int = 0,
) -> Metric:
    """A figure of all examples together, with its bootstrap interval.

    Args:
        statistic: Takes row numbers (rows,) and returns the figure on them.
        rows: Number of examples.
        n: How many things it is measured on; by default the examples.
        kind: Of the figure.
        seed: Seed of the draws.
    """
    import numpy as np

    low, high = bootstrap_interval(rows, statistic, seed=seed)
    return Metric(statistic(np.arange(rows)), low, high, rows if n is None else int(n), kind)


def mean_metric(values: NDArray[np.generic], *, resamples: int = 1000, seed: int = 0) -> Metric:
    """The mean of one score per example, with its bootstrap interval.

    Args:
        values: One score per example (N,), N at least 1; for right and wrong answers see `share_metric`.
        resamples: Number of bootstrap draws.
        seed: Seed of the draws.
    """
    import numpy as np

    numbers = values.astype(np.float64)
    low, high = bootstrap_interval(
        numbers.size, lambda rows: float(numbers[rows].mean()), resamples=resamples, seed=seed
    )
    return Metric(float(numbers.mean()), low, high, int(numbers.size), "score")


def share_metric(
    part: NDArray[np.generic], whole: NDArray[np.generic] | None = None, *, resamples: int = 1000, seed: int = 0
) -> Metric:
    """The share that some things are of others, such as right answers of all, with its bootstrap interval.

    Args:
        part: How many each example has (N,); without `whole` whether it counts, as booleans or 0 and 1, N at least 1.
        whole: Of how many (N,), such as the words of each sentence; by default of one. A share of nothing is 0.
        resamples: Number of bootstrap draws of examples.
        seed: Seed of the draws.

    Returns:
        The share, its `n` the sum of `whole`.
    """
    import numpy as np

    parts = part.astype(np.float64)
    if whole is None:
        # Resampling zeros and ones with replacement and counting the ones is a binomial draw.
        counts = np.random.default_rng(seed).binomial(parts.size, parts.mean(), resamples)
        low, high = (float(end) for end in np.quantile(counts / parts.size, [0.025, 0.975]))
        return Metric(float(parts.mean()), low, high, int(parts.size), "share")
    wholes = whole.astype(np.float64)

    def share(rows: NDArray[np.int64] | slice) -> float:
        return float(parts[rows].sum() / max(wholes[rows].sum(), 1.0))

    low, high = bootstrap_interval(parts.size, share, resamples=resamples, seed=seed)
    return Metric(share(slice(None)), low, high, int(wholes.sum()), "share")
