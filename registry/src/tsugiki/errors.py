"""The errors that tsugiki raises on purpose: one sentence that says what, where and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TsugikiError(Exception):
    """Base of every error that is meant for the caller."""


class UnknownNameError(TsugikiError):
    """No model, family, task or command has this name."""


class AmbiguousNameError(TsugikiError):
    """Two installed plugins claim this name."""


class PluginError(TsugikiError):
    """A plugin cannot be used: it is broken, missing, or made for another version of the core."""


class SnapshotError(TsugikiError):
    """A snapshot folder is damaged, incomplete or not what its config says."""


class DataError(TsugikiError):
    """A data set is missing, does not decode, or has not the columns a task needs."""


class RecipeError(TsugikiError):
    """A recipe is missing a field, has one too many, or holds a wrong value."""


class OptionError(TsugikiError):
    """An option is unknown or has a value out of range."""


class ExportRefusedError(OptionError):
    """A model says of itself that it cannot be exported, and why."""


class CardError(TsugikiError):
    """A model card is incomplete or contradicts its provenance."""


class HubError(TsugikiError):
    """The Hub cannot be reached, or refused."""


class OutputError(TsugikiError):
    """A result cannot be written; nothing half-written is left behind."""


def nearest(name: str, candidates: Iterable[str], n: int = 3) -> list[str]:
    """The candidates most like a mistyped name.

    Args:
        name: What the user wrote.
        candidates: What there is.
        n: How many to return at most.

    Returns:
        Candidates, most alike first; empty when none is near.
    """
    pool = list(dict.fromkeys(candidates))
    lowered = {candidate.lower(): candidate for candidate in reversed(pool)}
    return [lowered[match] for match in difflib.get_close_matches(name.lower(), list(lowered), n=n, cutoff=0.6)]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A clause to append to an error, such as `` Did you mean 'lenet5-mnist'?``, or an empty string."""
    matches = nearest(name, candidates)
    return f" Did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""
