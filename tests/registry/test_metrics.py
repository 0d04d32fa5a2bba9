"""Intervals against a formula and against scipy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from tsugiki.metrics import (
    Metric,
    bootstrap_interval,
    counted_share,
    mean_metric,
    score_metric,
    share_metric,
    wilson_interval,
)


@pytest.mark.parametrize(("count", "of"), [(1, 1), (2, 2), (24, 24), (0, 10), (3, 7), (120, 400)])
def test_interval_of_a_share_is_wilsons(count, of):
    """scipy's, and by the published form: the ends p solve (share - p)^2 = z^2 p (1 - p) / n."""
    metric = share_metric(np.arange(of) < count)
    theirs = stats.binomtest(count, of).proportion_ci(0.95, method="wilson")
    assert metric == Metric(count / of, theirs.low, theirs.high, of, "share") == counted_share(count, of)
    for end in (metric.low, metric.high):
        assert (metric.value - end) ** 2 == pytest.approx(1.959963984540054**2 * end * (1 - end) / of, abs=1e-9)


def test_a_share_of_nothing_may_be_anything():
    assert counted_share(0, 0) == share_metric(np.zeros(0, bool)) == Metric(0.0, 0.0, 1.0, 0, "share")
    nothing = share_metric(np.zeros(3), np.zeros(3))
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 1.0)


def test_coverage_of_a_share_from_few_rows():
    """At every number of rows, over shares from 0.01 to 0.99, 0.95 of the intervals hold the true one."""
    shares, draw = np.linspace(0.01, 0.99, 99), np.random.default_rng(0)
    for rows in range(2, 51):
        low, high = np.array([wilson_interval(count, rows) for count in range(rows + 1)]).T
        found = draw.binomial(rows, shares, (1000, 99))
        covered = (low[found] <= shares) & (shares <= high[found])
        assert 0.94 <= covered.mean() <= 0.98


def test_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).normal(3, 2, 400)
    metric = mean_metric(values)
    assert metric.kind == "score"
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=2000, random_state=1
    ).confidence_interval
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high), abs=0.04)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(50)
    first = bootstrap_interval(50, lambda rows: float(np.median(values[rows])), seed=4)
    assert first == bootstrap_interval(50, lambda rows: float(np.median(values[rows])), seed=4)
    assert first[0] < np.median(values) < first[1]


def test_where_all_examples_are_alike_the_interval_is_wilsons_of_the_examples():
    """Resampling learns nothing from them: of two sentences without a mistake it gives 1 to 1."""
    right, words = np.array([3, 5]), np.array([3, 5])
    for metric in (
        share_metric(right, words),
        score_metric(lambda rows: 1.0, 2, n=8, kind="share"),
    ):
        assert metric == Metric(1.0, *wilson_interval(2, 2), 8, "share")
    one_sentence = share_metric(np.array([3]), np.array([4]))
    assert (one_sentence.value, one_sentence.low, one_sentence.high) == (0.75, 0.0, 1.0)
    assert score_metric(lambda rows: 3.0, 4).low == 3.0


def test_share_of_sums_counts_what_it_is_a_share_of():
    right, words = np.array([3, 0, 5]), np.array([4, 0, 5])
    metric = share_metric(right, words)
    assert (metric.value, metric.n, metric.kind) == (pytest.approx(8 / 9), 9, "share")
    assert metric.low < metric.value < metric.high


def test_share_of_sums_has_the_interval_of_the_binomial_where_each_example_is_one():
    right = np.random.default_rng(0).random(2_000) < 0.8
    one, other = share_metric(right), share_metric(right, np.ones(len(right)))
    assert other.value == one.value
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=2e-3)


def test_metrics_are_read_without_numpy():
    code = "import sys; from tsugiki.metrics import Metric; Metric(1.0, 1.0, 1.0, 1, 'share')"
    code += "; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
