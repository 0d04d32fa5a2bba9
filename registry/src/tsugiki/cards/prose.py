"""The prose of a card: `card.md`, written by hand, with slots that only provenance fills.

`card.md` starts with a paragraph on what the model is, then sections under ``## `` headings. ``Intended use`` and
``Limits`` must be there. It holds no measured number: ``{{ accuracy }}`` and the other slots stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CardError, did_you_mean
from ..metrics import Kind
from . import numbers

REQUIRED = ("Intended use", "Limits")
_SLOT = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
UNFILLED = re.compile(r"\{\{|\}\}|\bTODO\b|\bTBD\b|\[More Information Needed\]", re.IGNORECASE)


@dataclass(frozen=True)
class Prose:
    """A `card.md`, taken apart and filled.

    Attributes:
        introduction: The paragraphs before the first heading.
        sections: Heading -> text, in the order they were written.
    """

    introduction: str
    sections: dict[str, str]


def read_prose(card_md: str, provenance: Mapping[str, Any]) -> Prose:
    """Fill the slots of a `card.md` and take it apart.

    Raises:
        CardError: A slot is unknown or has no value in provenance, or a required section is missing or empty.
    """
    introduction, *rest = _HEADING.split(fill(card_md, provenance).strip())
    headings, texts = rest[0::2], [text.strip() for text in rest[1::2]]
    if repeated := sorted({heading for heading in headings if headings.count(heading) > 1}):
        raise CardError(f"card.md has the section {repeated[0]!r} twice")
    sections = dict(zip(headings, texts, strict=True))
    if not introduction.strip():
        raise CardError("card.md does not start with a paragraph that says what the model is")
    for heading in REQUIRED:
        if not sections.get(heading):
            raise CardError(f"card.md has no section '## {heading}'{did_you_mean(heading, sections)}")
    if empty := [heading for heading, text in sections.items() if not text]:
        raise CardError(f"section {empty[0]!r} of card.md is empty")
    return Prose(introduction.strip(), sections)


def fill(text: str, provenance: Mapping[str, Any]) -> str:
    """Replace every ``{{ slot }}`` by its figure.

    Raises:
        CardError: A slot is unknown, has no value in provenance, or its braces are not closed.
    """
    values = slots(provenance)

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise CardError(
                f"card.md has the slot {{{{ {name} }}}}, which provenance.json does not fill."
                f"{did_you_mean(name, values)} It fills: {', '.join(sorted(values))}"
            )
        return values[name]

    filled = _SLOT.sub(value_of, text)
    if (left := UNFILLED.search(filled)) is not None:
        line = filled.count("\n", 0, left.start()) + 1
        raise CardError(f"card.md, line {line}: {left[0]!r} is not filled")
    return filled


def slots(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Every slot that this provenance fills, as it is written in the text.

    Besides the plain facts, each metric gives ``accuracy``, ``accuracy_low``, ``accuracy_high`` and, where several
    seeds were trained, ``accuracy_mean``, ``accuracy_sd`` and ``accuracy_spread``; a metric measured on several data
    sets stands for the first.
    """
    found: dict[str, str] = {}
    for key in ("name", "task", "family", "license", "base_model", "seed"):
        if provenance.get(key) is not None:
            found[key] = str(provenance[key])
    if provenance.get("parameters") is not None:
        found["parameters"] = numbers.count(provenance["parameters"])
    if (weights := provenance.get("weights") or {}).get("bytes") is not None:
        found["size"] = numbers.size(weights["bytes"])
    if provenance.get("seconds") is not None:
        found["duration"] = numbers.duration(provenance["seconds"])
    found.update(_data_slots(provenance))
    kinds = metric_kinds(provenance)
    for metric, summary in (provenance.get("seeds") or {}).items():
        found["seed_count"] = str(len(summary["values"]))
        found[f"{metric}_mean"] = numbers.metric_value(kinds[metric], summary["mean"])
        found[f"{metric}_sd"] = numbers.metric_value(kinds[metric], summary["sd"])
        found[f"{metric}_spread"] = numbers.metric_spread(kinds[metric], summary["mean"], summary["sd"])
    return found


def metric_kinds(provenance: Mapping[str, Any]) -> dict[str, Kind]:
    """The kind of every metric."""
    return {
        metric: figures["kind"]
        for evaluation in provenance.get("evaluations") or ()
        for metric, figures in evaluation["metrics"].items()
    }


def _data_slots(provenance: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, data in (provenance.get("data") or {}).items():
        if data and data.get("rows") is not None:
            found[f"{role}_rows"] = numbers.count(data["rows"])
    for evaluation in provenance.get("evaluations") or ():
        found.setdefault("evaluation_rows", numbers.count(evaluation["rows"]))
        for metric, figures in evaluation["metrics"].items():
            found.setdefault(metric, numbers.metric_value(figures["kind"], figures["value"]))
            found.setdefault(f"{metric}_low", numbers.metric_value(figures["kind"], figures["low"]))
            found.setdefault(f"{metric}_high", numbers.metric_value(figures["kind"], figures["high"]))
    return found
