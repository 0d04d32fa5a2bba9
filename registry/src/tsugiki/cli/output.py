"""What commands print: JSON and results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..metrics import Metric

WIDE = 10_000  # columns, where no terminal limits them


def print_json(value: Any) -> None:
    """Print one JSON value, readable by any parser: numbers that JSON does not know become null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def note(message: str) -> None:
    """Tell the user something that is not the result."""
    print(message, file=sys.stderr)


@contextlib.contextmanager
def only_results_on_stdout() -> Iterator[None]:
    """Send what libraries print (progress, logs) to standard error while the work is done."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table that is cut by no terminal it is not printed to.

    Args:
        columns: The headings.
        rows: As many cells each as there are headings.
        right: Headings of the columns that are set flush right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if sys.stdout.isatty():
        Console().print(table)
        return
    console = Console(width=WIDE)
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def format_metric(name: str, metric: Metric) -> str:
    """A metric with its interval, such as ``accuracy 0.9921 [0.9902, 0.9937]``."""
    return f"{name} {format_number(metric.value)} [{format_number(metric.low)}, {format_number(metric.high)}]"


def format_number(value: float) -> str:
    """Four decimals below ten, two above, none for counts."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def format_bytes(size: int) -> str:
    """A size as a person reads it, such as ``242 kB``."""
    if size < 1000:
        return f"{size} B"
    scaled = float(size)
    for unit in ("kB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.5 or unit == "GB":
            break
    return f"{scaled:.3g} {unit}"
