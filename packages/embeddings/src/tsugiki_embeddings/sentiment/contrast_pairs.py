"""Pairs of sentences that say the opposite in nearly the same words, which a classifier that counts words misses.

The pairs were written for this package and are grouped by what makes the difference, in `contrast_pairs.json`:
negation, what a film is lacking in, the order of the same words, "not only … but", a contrast with "but", and what
might have been. Nothing is trained on them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .parse_trees import parse_brackets

QUOTED = "(completely (lacking (in ((good taste) , (good service) and (good ambience)))))"
"""A sentence full of good words that says nothing good, with the brackets of its parse tree."""


@dataclass(frozen=True)
class ContrastPair:
    """Two sentences, in the bracketed notation of `parse_trees.parse_brackets`.

    Attributes:
        kind: What makes the difference.
        positive: The one that praises.
        negative: The one that does not.
    """

    kind: str
    positive: str
    negative: str


@cache
def contrast_pairs() -> tuple[ContrastPair, ...]:
    """All pairs, those of a kind together."""
    text = files(__package__).joinpath("contrast_pairs.json").read_text(encoding="utf-8")
    return tuple(ContrastPair(**pair) for pair in json.loads(text)["pairs"])


def plain(bracketed: str) -> str:
    """The sentence without its brackets."""
    return parse_brackets(bracketed).sentence
