"""What commands print: JSON and results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TextIO

from ..metrics import Metric
from ..progress import above_bars, showing_progress

SEPARATOR = 3  # signs between two columns of a table
WIDE = 10_000  # columns, where no terminal limits them


def print_json(value: Any, file: TextIO | None = None) -> None:
    """Print one JSON value, readable by any parser: numbers that JSON does not know become null."""
    print(_json(value), file=file)


def _json(value: Any) -> str:
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=str)


@contextlib.contextmanager
def json_list(file: TextIO | None = None) -> Iterator[Callable[[Any], None]]:
    """Print a JSON list item by item, as `print_json` would print it whole; where work breaks off, the list ends there.

    Args:
        file: Where to; by default standard output.

    Yields:
        Called with each item, it prints it. Nothing is printed of work that breaks off before the first.
    """
    file = sys.stdout if file is None else file
    begun = False

    def add(item: Any) -> None:
        nonlocal begun
        with above_bars():
            print(",\n" if begun else "[\n", textwrap.indent(_json(item), "  "), sep="", end="", flush=True, file=file)
        begun = True

    try:
        yield add
        if not begun:
            print("[]", file=file)
    finally:
        if begun:
            print("\n]", file=file)


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
    with above_bars():
        print(message, file=sys.stderr)


@contextlib.contextmanager
def only_results_on_stdout() -> Iterator[TextIO]:
    """Send what libraries print (logs) to standard error while the work is done, and show its progress there.

    Yields:
        The standard output, for results that are printed before all is done; best in `above_bars`.
    """
    stdout = sys.stdout
    with showing_progress(), contextlib.redirect_stdout(sys.stderr):
        yield stdout


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    widths: Mapping[str, int] | None = None,
    heading: bool = True,
    file: TextIO | None = None,
) -> None:
    """Print a table that is cut by no terminal it is not printed to.

    Args:
        columns: The headings.
        rows: As many cells each as there are headings.
        right: Headings of the columns that are set flush right.
        widths: How wide columns are, by their headings, where that shall not follow from these rows alone.
        heading: Whether the headings are printed: they are not above the second part of a table.
        file: Where to; by default standard output.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    file = sys.stdout if file is None else file
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=heading)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", width=(widths or {}).get(column))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if file.isatty():
        Console(file=file).print(table)
        return
    console = Console(width=WIDE)
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), file=file)


def column_width(cells: Iterable[str], file: TextIO) -> int:
    """How wide a column of such cells is: as wide as the longest, on a terminal half of that at most."""
    from rich.cells import cell_len

    width = max(map(cell_len, cells), default=0)
    limit = terminal_width(file)
    return width if limit is None else min(width, limit // 2)


def terminal_width(file: TextIO) -> int | None:
    """How many signs have room beside each other where this is printed; None where nothing limits them."""
    if not file.isatty():
        return None
    from rich.console import Console

    return Console(file=file).width


def fits(columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether `print_table` has room on standard output for these columns, cells by headings, without a fold."""
    from rich.cells import cell_len

    limit = terminal_width(sys.stdout)
    widths = [max(cell_len(cell) for cell in (heading, *cells)) for heading, cells in columns.items()]
    return limit is None or sum(widths) + SEPARATOR * (len(widths) - 1) <= limit


def print_facts(facts: Mapping[str, str], width: int) -> None:
    """Print lines of a name and what is said of it, on a terminal those of many words in a column of their own.

    Args:
        facts: What is said, by name.
        width: Of the column of names.
    """
    if terminal_width(sys.stdout) is None:
        for name, said in facts.items():
            print(f"{name:<{width}}  {said}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=width)
    table.add_column(overflow="fold")
    for name, said in facts.items():
        table.add_row(name, Text(said))
    Console().print(table)


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
