"""The results table of a card: written from provenance, and read back from the text to be compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..snapshots.provenance import Provenance
from . import numbers
from .front_matter import short_name

_HEADER = ("data set", "split", "metric", "value", "95 % interval", "rows")


@dataclass(frozen=True)
class Row:
    """One figure as the text shows it, every cell as written."""

    dataset: str
    split: str
    metric: str
    value: str
    interval: str
    rows: str

    def cells(self) -> tuple[str, ...]:
        """The cells in the order of the table."""
        return (f"`{self.dataset}`", self.split, self.metric, self.value, self.interval, self.rows)


def result_rows(provenance: Provenance) -> list[Row]:
    """The rows that the table of this provenance must have."""
    return [
        Row(
            dataset=short_name(evaluation.dataset),
            split=evaluation.split or "",
            metric=numbers.metric_name(name),
            value=numbers.metric_value(metric.kind, metric.value),
            interval=numbers.metric_interval(metric),
            rows=numbers.count(evaluation.rows),
        )
        for evaluation in provenance.evaluations
        for name, metric in evaluation.metrics.items()
    ]


def render_results(provenance: Provenance) -> str:
    """The results as a Markdown table."""
    return table(_HEADER, [row.cells() for row in result_rows(provenance)], right=("value", "rows"))


def parse_results(text: str) -> list[Row]:
    """The rows of the results table in a card's text; empty when the table is not there."""
    header = _line(_HEADER)
    lines = iter(text.splitlines())
    if header not in lines:
        return []
    next(lines, None)
    rows = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != len(_HEADER):
            break
        rows.append(Row(cells[0].strip("`"), *cells[1:]))
    return rows


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, right: tuple[str, ...] = ()) -> str:
    """A Markdown table, the columns named in `right` set flush right."""
    rule = tuple("---:" if name in right else "---" for name in header)
    return "\n".join(_line(cells) for cells in (header, rule, *rows))


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
