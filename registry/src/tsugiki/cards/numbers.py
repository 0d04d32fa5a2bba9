"""How a card writes numbers: the one place that turns a figure into text."""

from __future__ import annotations

from ..metrics import Kind, Metric


def metric_name(metric: str) -> str:
    """A metric's key as words, such as ``map 50``."""
    return metric.replace("_", " ")


def metric_value(kind: Kind, value: float) -> str:
    """A figure: a share in per cent, a whole count with commas, else four significant digits."""
    return f"{_digits(kind, value)}{_unit(kind)}"


def metric_interval(metric: Metric) -> str:
    """The 95 % interval of a metric, such as ``99.05 to 99.40 %``."""
    return f"{_digits(metric.kind, metric.low)} to {_digits(metric.kind, metric.high)}{_unit(metric.kind)}"


def metric_spread(kind: Kind, mean: float, deviation: float) -> str:
    """Mean and standard deviation over seeds, such as ``99.25 ± 0.04 %``."""
    return f"{_digits(kind, mean)} ± {_digits(kind, deviation)}{_unit(kind)}"


def count(value: int) -> str:
    """A whole number with commas."""
    return f"{value:,}"


def size(size_bytes: int) -> str:
    """Bytes as kB or MB (powers of ten)."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"


def _digits(kind: Kind, value: float) -> str:
    if kind == "share":
        return f"{100 * value:.2f}"
    return f"{value:,.0f}" if kind == "count" and value == round(value) else f"{value:.4g}"


def _unit(kind: Kind) -> str:
    return " %" if kind == "share" else ""
