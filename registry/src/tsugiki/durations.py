"""Wall time: how it is measured, over a kill and resume too, and how a person reads it."""

from __future__ import annotations

import time


class Stopwatch:
    """Measures wall time from when it is made.

    Args:
        seconds: What an earlier part took, before a run was killed.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._before = seconds
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far, earlier parts included."""
        return self._before + time.perf_counter() - self._started


def duration(seconds: float) -> str:
    """Time that was measured, in its two largest units, such as ``2 min 5 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rough_duration(seconds: float) -> str:
    """Time that is estimated, in one unit, such as ``2 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
