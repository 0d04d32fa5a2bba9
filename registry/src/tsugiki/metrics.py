"""Figures with their intervals and kinds, and how shares and means are measured.

Listing models reads figures, so numpy is imported where one is computed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["share", "count", "score"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_intervals: ContextVar[bool] = ContextVar("intervals are wanted", default=True)


@dataclass(frozen=True)
class Metric:
    """A measured figure with its 95 % interval.

    Attributes:
        value: The figure; of a share a fraction, where the field uses per cent.
        low: Lower end of the interval: Wilson's of a share of rows, else from the bootstrap.
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


class Metrics(dict[str, Metric]):
    """Figures by their names; a notebook shows them as a table.

    Args:
        figures: The figures.
        caveats: See the attribute.

    Attributes:
        caveats: What speaks against the figures, one sentence each.
    """

    def __init__(self, figures: Mapping[str, Metric], caveats: Iterable[str] = ()) -> None:
        super().__init__(figures)
        self.caveats = list(caveats)

    def _repr_html_(self) -> str:
        from .notebook import html_lines, html_table

        rows = [
            (name, f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}", f"{one.n:,}") for name, one in self.items()
        ]
        table = html_table(("metric", "value", "95 % interval", "n"), rows)
        return table + "".join(map(html_lines, self.caveats))


@contextlib.contextmanager
def without_intervals() -> Iterator[None]:
    """Measure figures in here without drawing examples for their intervals, as where a training only compares them."""
    token = _intervals.set(False)
    try:
        yield
    finally:
        _intervals.reset(token)


def intervals_wanted() -> bool:
    """Whether a figure should come with its interval; else both ends are the figure."""
    return _intervals.get()


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

    if not intervals_wanted():
        value = statistic(np.arange(rows))
        return value, value
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
    """A figure of all examples together, with its bootstrap interval; a share that is the same in all has Wilson's.

    Args:
        statistic: Takes row numbers (rows,) and returns the figure on them.
        rows: Number of examples.
        n: How many things it is measured on; by default the examples.
        kind: Of the figure.
        seed: Seed of the draws.
    """
    import numpy as np

    value = statistic(np.arange(rows))
    low, high = bootstrap_interval(rows, statistic, seed=seed)
    if kind == "share" and low == high:
        low, high = _interval_of_alike(value, rows)
    return Metric(value, low, high, rows if n is None else int(n), kind)


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


def wilson_interval(count: int, of: int, *, level: float = 0.95) -> tuple[float, float]:
    """The score interval (Wilson 1927) of a share of independent things, such as right answers of all rows.

    Unlike the bootstrap, which resamples what was seen, it holds for few things too: 2 of 2 is 0.34 to 1, not 1 to 1.

    Args:
        count: How many of them are counted, from 0 to `of`.
        of: How many there are; of none, the share may be anything.
        level: Coverage.

    Returns:
        Lower and upper end.
    """
    if of == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def counted_share(count: int, of: int) -> Metric:
    """The share that some things are of others, each of which stands for itself; with Wilson's interval.

    Args:
        count: From 0 to `of`.
        of: Of none the share is 0 and the interval everything.
    """
    return Metric(count / max(of, 1), *wilson_interval(count, of), of, "share")


def share_metric(
    part: NDArray[np.generic], whole: NDArray[np.generic] | None = None, *, resamples: int = 1000, seed: int = 0
) -> Metric:
    """The share that some things are of others, such as right answers of all, with its interval.

    A share of rows has Wilson's. Of things of which an example has several, those of one example are alike, so that
    the interval is a bootstrap over examples.

    Args:
        part: How many each example has (N,); without `whole` whether it counts, as booleans or 0 and 1.
        whole: Of how many (N,), such as the words of each sentence; by default of one. A share of nothing is 0.
        resamples: Number of bootstrap draws of examples.
        seed: Seed of the draws.

    Returns:
        The share, its `n` the sum of `whole`.
    """
    import numpy as np

    if whole is None:
        return counted_share(int(np.count_nonzero(part)), part.size)
    parts, wholes = part.astype(np.float64), whole.astype(np.float64)

    def share(rows: NDArray[np.int64] | slice) -> float:
        return float(parts[rows].sum() / max(wholes[rows].sum(), 1.0))

    value = share(slice(None))
    low, high = bootstrap_interval(parts.size, share, resamples=resamples, seed=seed)
    if low == high:
        low, high = _interval_of_alike(value, int(np.count_nonzero(wholes)))
    return Metric(value, low, high, int(wholes.sum()), "share")


def _interval_of_alike(share: float, rows: int) -> tuple[float, float]:
    """Wilson's for a share that is the same in each of some rows, of which resampling learns nothing."""
    return wilson_interval(math.floor(share * rows), rows)[0], wilson_interval(math.ceil(share * rows), rows)[1]
