"""How a card writes numbers: the one place that turns a figure into text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FRACTIONS = {
    "accuracy",
    "analogy_accuracy",
    "analogy_coverage",
    "auc",
    "cer",
    "eer",
    "exact_match",
    "f1",
    "map",
    "map_50",
    "miou",
    "model_error_share",
    "nme",
    "precision",
    "recall",
    "search_error_share",
    "tar_at_far_1e-2",
    "wer",
}


def metric_name(metric: str) -> str:
    """A metric's key as words, such as ``map 50``."""
    return metric.replace("_", " ")


def metric_value(metric: str, value: float) -> str:
    """A figure: per cent where the field uses it, else four significant digits."""
    return f"{_digits(metric, value)}{_unit(metric)}"


def metric_interval(metric: str, figures: Mapping[str, Any]) -> str:
    """The 95 % interval of a metric, such as ``99.05 to 99.40 %``."""
    return f"{_digits(metric, figures['low'])} to {_digits(metric, figures['high'])}{_unit(metric)}"


def metric_spread(metric: str, mean: float, deviation: float) -> str:
    """Mean and standard deviation over seeds, such as ``99.25 ± 0.04 %``."""
    return f"{_digits(metric, mean)} ± {_digits(metric, deviation)}{_unit(metric)}"


def count(value: int) -> str:
    """A whole number with commas."""
    return f"{value:,}"


def size(size_bytes: int) -> str:
    """Bytes as kB or MB (powers of ten)."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _is_fraction(metric: str) -> bool:
    return metric in _FRACTIONS or metric.startswith(("accuracy_", "coverage", "tar_at_far_"))


def _digits(metric: str, value: float) -> str:
    return f"{100 * value:.2f}" if _is_fraction(metric) else f"{value:.4g}"


def _unit(metric: str) -> str:
    return " %" if _is_fraction(metric) else ""
