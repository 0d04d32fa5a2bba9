"""Bootstrap intervals against a formula and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tsugiki.metrics import bootstrap_interval, mean_metric


def test_interval_of_a_share_is_the_binomial_one():
    correct = np.arange(10_000) < 9_200
    metric = mean_metric(correct)
    half = 1.96 * np.sqrt(0.92 * 0.08 / 10_000)
    assert metric.value == pytest.approx(0.92)
    assert metric.low == pytest.approx(0.92 - half, abs=5e-4)
    assert metric.high == pytest.approx(0.92 + half, abs=5e-4)
    assert metric.n == 10_000


def test_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).normal(3, 2, 400)
    metric = mean_metric(values)
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
    metric = mean_metric(np.ones(10, dtype=bool))
    assert (metric.value, metric.low, metric.high) == (1.0, 1.0, 1.0)
    assert str(metric) == "1.0000 [1.0000, 1.0000]"
