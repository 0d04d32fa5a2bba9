"""Bootstrap intervals against a formula and against scipy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from tsugiki.metrics import bootstrap_interval, mean_metric, share_metric


def test_interval_of_a_share_is_the_binomial_one():
    correct = np.arange(10_000) < 9_200
    metric = share_metric(correct)
    half = 1.96 * np.sqrt(0.92 * 0.08 / 10_000)
    assert metric.value == pytest.approx(0.92)
    assert metric.low == pytest.approx(0.92 - half, abs=5e-4)
    assert metric.high == pytest.approx(0.92 + half, abs=5e-4)
    assert (metric.n, metric.kind) == (10_000, "share")


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


def test_all_right_has_no_width():
    metric = share_metric(np.ones(10, dtype=bool))
    assert (metric.value, metric.low, metric.high) == (1.0, 1.0, 1.0)
    assert str(metric) == "1.0000 [1.0000, 1.0000]"


def test_share_of_sums_counts_what_it_is_a_share_of():
    right, words = np.array([3, 0, 5]), np.array([4, 0, 5])
    metric = share_metric(right, words)
    assert (metric.value, metric.n, metric.kind) == (pytest.approx(8 / 9), 9, "share")
    assert metric.low < metric.value < metric.high
    assert share_metric(np.zeros(3), np.zeros(3)).value == 0.0


def test_share_of_sums_has_the_interval_of_the_binomial_where_each_example_is_one():
    right = np.random.default_rng(0).random(2_000) < 0.8
    one, other = share_metric(right), share_metric(right, np.ones(len(right)))
    assert other.value == one.value
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=2e-3)


def test_metrics_are_read_without_numpy():
    code = "import sys; from tsugiki.metrics import Metric; Metric(1.0, 1.0, 1.0, 1, 'share')"
    code += "; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
