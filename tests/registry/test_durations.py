"""Seconds as a person reads them."""

from __future__ import annotations

import pytest
from tsugiki.durations import duration, rough_duration


@pytest.mark.parametrize(
    ("seconds", "measured", "estimated"),
    [
        (0.04, "0.0 s", "0.0 s"),
        (9.96, "10.0 s", "10.0 s"),
        (59.4, "59.4 s", "59 s"),
        (59.97, "1 min 0 s", "60 s"),
        (123.4, "2 min 3 s", "2 min"),
        (3599.8, "1 h 0 min", "60 min"),
        (9000, "2 h 30 min", "2.5 h"),
    ],
)
def test_durations(seconds, measured, estimated):
    assert (duration(seconds), rough_duration(seconds)) == (measured, estimated)
