"""Whether the three places of a card's figures agree: front matter, text and `provenance.json`.

The seal tells which of them was changed by hand after rendering; rendering again tells where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TsugikiError
from ..snapshots.provenance import FILE as PROVENANCE
from ..snapshots.provenance import Provenance
from .front_matter import INTERVAL, short_name, split_card
from .render import render_card, stored_prose
from .results import parse_results, result_rows
from .seal import FORMAT, Broken, broken
from .yaml_block import parse_front_matter

_SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """A place in the README that does not read as provenance renders it."""

    place: str
    found: object
    expected: object

    def __str__(self) -> str:
        return f"{self.place} reads {self.found!r}; by {PROVENANCE} it is {self.expected!r}"


def disagreements(
    folder: Path, provenance: Provenance, front_matter: str, text: str, data: dict[str, Any]
) -> Iterator[str]:
    """What was changed after rendering, and where.

    Args:
        folder: The snapshot.
        provenance: Its provenance.
        front_matter: Front matter of its README, without the fences.
        text: The text below it.
        data: The front matter as plain data.

    Yields:
        Sentences that start with ``front matter:``, ``text:`` or ``provenance.json:``, the place that was changed.
    """
    state = broken((folder / PROVENANCE).read_text(encoding="utf-8"), front_matter, text)
    if state is None or state == Broken():
        if state is None:
            yield f"{PROVENANCE}: it carries no seal of the card; render it again with `tsugiki card`"
        yield from _contradictions(data, text, provenance)
        return
    in_front, in_text = _places(folder, provenance, data, text)
    if state.seal:
        yield f"{PROVENANCE}: its section 'card', which seals the card, was changed"
        state = Broken(front_matter=bool(in_front), text=bool(in_text), seal=True)
    if state.fields:
        yield f"{PROVENANCE}: {', '.join(map(repr, state.fields))} was changed after the card was rendered"
        for place in [*in_front, *in_text][:_SHOWN]:
            yield f"{PROVENANCE}: {place.place} of the card has {place.found!r} and would now be {place.expected!r}"
    for name, changed, places in (("front matter", state.front_matter, in_front), ("text", state.text, in_text)):
        if changed:
            yield f"{name}: it was changed after the card was rendered"
            # Beside a changed provenance, rendering again cannot tell which of the two a difference comes from.
            yield from (f"{name}: {place}" for place in places[:_SHOWN] if not state.fields)


def _places(
    folder: Path, provenance: Provenance, data: dict[str, Any], text: str
) -> tuple[list[Difference], list[Difference]]:
    """Where front matter and text differ from what provenance gives; empty where it does not render any more."""
    if provenance.card is None or provenance.card.format != FORMAT:
        return [], []
    try:
        expected = split_card(render_card(folder, stored_prose(provenance), provenance))
    except TsugikiError:
        return [], []
    return list(_differences(data, parse_front_matter(expected[0]))), list(_line_differences(text, expected[1]))


def _differences(found: Any, expected: Any, place: str = "") -> Iterator[Difference]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in dict.fromkeys([*found, *expected]):
            yield from _differences(found.get(key), expected.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            yield from _differences(left, right, f"{place}[{index}]")
    elif found != expected:
        yield Difference(place, found, expected)


def _line_differences(found: str, expected: str) -> Iterator[Difference]:
    """Lines that differ; only the first where a line was added or removed."""
    left, right = found.splitlines(), expected.splitlines()
    for number in range(max(len(left), len(right))):
        a, b = (lines[number] if number < len(lines) else "" for lines in (left, right))
        if a != b:
            yield Difference(f"line {number + 1} below the front matter", a, b)
            if len(left) != len(right):
                return


def _contradictions(data: Mapping[str, Any], text: str, provenance: Provenance) -> Iterator[str]:
    """Figures that do not agree although the seal tells of no change."""
    figures = {
        (short_name(evaluation.dataset), evaluation.split, name): (
            metric.value,
            [metric.low, metric.high],
            evaluation.rows,
        )
        for evaluation in provenance.evaluations
        for name, metric in evaluation.metrics.items()
    }
    shown = dict(_front_matter_figures(data))
    for key in dict.fromkeys([*figures, *shown]):
        if figures.get(key) != shown.get(key):
            place = " ".join(str(part) for part in key if part)
            yield f"front matter and {PROVENANCE} disagree on {place}: {shown.get(key)} and {figures.get(key)}"
    rows, expected = parse_results(text), result_rows(provenance)
    for row in expected:
        if row not in rows:
            yield f"text and {PROVENANCE} disagree: the results table has no row {' | '.join(row.cells())!r}"
    for row in rows:
        if row not in expected:
            yield f"text and {PROVENANCE} disagree: the results table has the row {' | '.join(row.cells())!r}"


def _front_matter_figures(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str | None, str], Any]]:
    for model in data.get("model-index") or ():
        for result in model.get("results") or ():
            dataset = result.get("dataset") or {}
            for metric in result.get("metrics") or ():
                extra = metric.get("args") or {}
                key = (dataset.get("type", ""), dataset.get("split"), metric.get("type", ""))
                yield key, (metric.get("value"), extra.get(INTERVAL), extra.get("rows"))
