"""Texts of a data set that a recipe names besides its own: what a language model is pre-trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsugiki.columns import TEXT_COLUMN, Role, find_column, read_texts
from tsugiki.data.load_data import load_split
from tsugiki.errors import OptionError, did_you_mean
from tsugiki.fingerprint import checked_fingerprint

FIELDS = ("id", "split", "column", "license", "source", "revision", "fingerprint")


def named_texts(named: Mapping[str, Any], *, where: str) -> list[str]:
    """Read the texts of a data set.

    Args:
        named: ``id`` and ``split`` of the data set, and where they are needed ``column``, ``source``, ``revision`` and
            the ``fingerprint`` of its content; ``license`` is for the reader.
        where: The option that names it, for errors.

    Returns:
        The texts.

    Raises:
        OptionError: A field is missing or unknown.
        DataError: The data set is missing, has no such column, or is not what the fingerprint says.
    """
    for name in named:
        if name not in FIELDS:
            raise OptionError(f"{where} has no field {name!r}, only {', '.join(FIELDS)}.{did_you_mean(name, FIELDS)}")
    if missing := [name for name in ("id", "split") if not named.get(name)]:
        raise OptionError(f"{where} needs the field {missing[0]!r}, of the data set to read")
    dataset = load_split(named["id"], named["split"], revision=named.get("revision"), source=named.get("source"))
    if expected := named.get("fingerprint"):
        checked_fingerprint(dataset, expected, called=f"{named['id']} [{named['split']}]", said_by=where)
    given = {"text": named["column"]} if named.get("column") else None
    return read_texts(dataset, find_column(dataset, "text", Role(TEXT_COLUMN, ("text",)), given))
