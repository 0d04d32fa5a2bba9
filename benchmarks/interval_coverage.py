"""How often a 95 % interval of a share holds the true share, by the number of rows: Wilson's and the bootstrap's.

For every number of rows, right answers are drawn 2,000 times at each true share of 0.01, 0.02, … 0.99. Printed are the
mean over the true shares, and the worst of them between 0.05 and 0.95. The bootstrap is the percentile interval that
`tsugiki` gave before: it resamples the rows, and where all are right, or all wrong, it has no width.

    python benchmarks/interval_coverage.py
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tsugiki.metrics import wilson_interval

ROWS = (2, 3, 5, 10, 20, 30, 50)
SHARES = np.linspace(0.01, 0.99, 99)
DRAWS = 2000


def bootstrap(count: int, of: int) -> tuple[float, float]:
    """The percentile interval of resampled rows: a resample's count is binomial."""
    counts = np.random.default_rng(0).binomial(of, count / of, 1000)
    low, high = np.quantile(counts / of, [0.025, 0.975])
    return float(low), float(high)


def coverage(ends: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """By true share, how many of the drawn samples have an interval that holds it; `ends` (rows + 1, 2) by count."""
    found = np.random.default_rng(1).binomial(rows, SHARES, (DRAWS, len(SHARES)))
    return ((ends[found, 0] <= SHARES) & (ends[found, 1] >= SHARES)).mean(0)


def main() -> None:
    """Print the table."""
    inner = (SHARES >= 0.05) & (SHARES <= 0.95)
    print("| rows | Wilson, mean | Wilson, worst | bootstrap, mean | bootstrap, worst |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for rows in ROWS:
        cells = [str(rows)]
        for interval in (wilson_interval, bootstrap):
            covered = coverage(np.array([interval(count, rows) for count in range(rows + 1)]), rows)
            cells += [f"{100 * covered.mean():.1f} %", f"{100 * covered[inner].min():.1f} %"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
