"""The prose of a card: `card.md`, written by hand, with slots that only provenance fills.

`card.md` starts with a paragraph on what the model is, then sections under ``## `` headings. ``Intended use`` and
``Limits`` must be there. It holds no measured number: ``{{ accuracy }}`` and the other slots stand for them. Metadata
may stand before all of it, see `tsugiki.cards.metadata`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..durations import duration
from ..errors import CardError, did_you_mean
from ..snapshots.provenance import Provenance
from . import numbers
from .front_matter import short_name

REQUIRED = ("Intended use", "Limits")
_SLOT = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_UNFILLED = re.compile(r"\{\{|\}\}|\[More Information Needed\]", re.IGNORECASE)
_REMINDERS = ("", "todo", "tbd")  # as the whole text of a section; within a sentence they are words like others


@dataclass(frozen=True)
class Prose:
    """A `card.md`, taken apart and filled.

    Attributes:
        introduction: The paragraphs before the first heading.
        sections: Heading -> text, in the order they were written.
    """

    introduction: str
    sections: dict[str, str]


def read_prose(card_md: str, provenance: Provenance) -> Prose:
    """Fill the slots of a `card.md` and take it apart.

    Raises:
        CardError: A slot is unknown or has no value in provenance, or a required section is missing or empty.
    """
    introduction, *rest = _HEADING.split(fill(card_md, provenance).strip())
    headings, texts = rest[0::2], [text.strip() for text in rest[1::2]]
    if repeated := sorted({heading for heading in headings if headings.count(heading) > 1}):
        raise CardError(f"card.md has the section {repeated[0]!r} twice")
    sections = dict(zip(headings, texts, strict=True))
    if _is_empty(introduction):
        raise CardError("card.md does not start with a paragraph that says what the model is")
    for heading in REQUIRED:
        if not sections.get(heading):
            raise CardError(f"card.md has no section '## {heading}'{did_you_mean(heading, sections)}")
    if empty := [heading for heading, text in sections.items() if _is_empty(text)]:
        raise CardError(f"section {empty[0]!r} of card.md is empty")
    return Prose(introduction.strip(), sections)


def _is_empty(text: str) -> bool:
    return text.strip(" \n*_-:.…!<>").lower() in _REMINDERS


def unfilled(card_md: str) -> str | None:
    """The first place of a `card.md` that was meant to be filled and is no slot, in words, or None.

    What fills the slots is not looked at: people call their data and classes as they like.
    """
    template = _SLOT.sub("", card_md)
    if (left := _UNFILLED.search(template)) is None:
        return None
    line = template.count("\n", 0, left.start()) + 1
    return f"line {line}: {left[0]!r} is not filled"


def fill(text: str, provenance: Provenance) -> str:
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
    if (left := unfilled(text)) is not None:
        raise CardError(f"card.md, {left}")
    return filled


def slots(provenance: Provenance) -> dict[str, str]:
    """Every slot that this provenance fills, as it is written in the text.

    Besides the plain facts, each metric gives ``accuracy``, ``accuracy_low``, ``accuracy_high`` and, where several
    seeds were trained, ``accuracy_mean``, ``accuracy_sd`` and ``accuracy_spread``; a metric measured on several data
    sets stands for the first.
    """
    found = {
        "name": provenance.name,
        "task": provenance.task,
        "family": provenance.family,
        "license": provenance.license,
        "parameters": numbers.count(provenance.parameters),
        "size": numbers.size(provenance.weights.bytes),
    }
    if provenance.seed is not None:
        found["seed"] = str(provenance.seed)
    if provenance.seconds is not None:
        found["duration"] = duration(provenance.seconds)
    if (data := provenance.data) is not None:
        found["train_data"], found["train_rows"] = short_name(data.train.id), numbers.count(data.train.rows)
        if data.validation is not None:
            found["validation_rows"] = numbers.count(data.validation.rows)
    if (source := provenance.distributed) is not None:
        found["distribution"], found["distribution_version"] = source.name, source.version
    if provenance.base_model is not None:
        found["base_model"] = short_name(provenance.base_model)
    if provenance.transfer is not None:
        found["measured_on"] = provenance.transfer.measured_on
    for evaluation in provenance.evaluations[:1]:
        found["evaluation_rows"] = numbers.count(evaluation.rows)
    metrics = provenance.metrics
    for name, metric in metrics.items():
        found[name] = numbers.metric_value(metric.kind, metric.value)
        found[f"{name}_low"] = numbers.metric_value(metric.kind, metric.low)
        found[f"{name}_high"] = numbers.metric_value(metric.kind, metric.high)
    for name, summary in (provenance.seeds or {}).items():
        kind = metrics[name].kind
        found["seed_count"] = str(len(summary.values))
        found[f"{name}_mean"] = numbers.metric_value(kind, summary.mean)
        found[f"{name}_sd"] = numbers.metric_value(kind, summary.sd)
        found[f"{name}_spread"] = numbers.metric_spread(kind, summary.mean, summary.sd)
    return found
