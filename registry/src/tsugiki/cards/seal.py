"""The seal of a card: digests, written at render time, that tell which part was changed by hand afterwards.

A snapshot's figures stand in three places: the front matter and the text of `README.md`, and `provenance.json`. When
they disagree, comparing them tells that one is wrong and not which. So `provenance.json` carries, under ``card``, the
digests of both parts of the README, of each of its own fields, and of all of these together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from ..snapshots.provenance import Provenance, Seal

FORMAT = 1


@dataclass(frozen=True)
class Broken:
    """What no longer fits its digest.

    Attributes:
        front_matter: Whether the front matter was changed.
        text: Whether the text was changed.
        fields: Fields of `provenance.json` that were changed, added or removed.
        seal: Whether the seal itself was changed, so that its digests of the README tell nothing.
    """

    front_matter: bool = False
    text: bool = False
    fields: list[str] = field(default_factory=list)
    seal: bool = False


def seal(provenance: Provenance, card_md: str, front_matter: str, text: str) -> Provenance:
    """Provenance with the section ``card``: the prose that was rendered, and the digests.

    Args:
        provenance: Everything else; a ``card`` of an earlier rendering is replaced.
        card_md: The prose, so that the card can be rendered again from the snapshot alone.
        front_matter: The front matter as it stands in the README.
        text: The text below it.
    """
    body = replace(provenance, card=None).to_dict()
    card: dict[str, Any] = {
        "format": FORMAT,
        "prose": card_md,
        "front_matter": _digest_of_text(front_matter),
        "text": _digest_of_text(text),
        "fields": {key: _digest(value) for key, value in _exactly(body).items()},
    }
    sha256 = _digest(_exactly({**body, "card": card}))
    return replace(provenance, card=Seal(**card, sha256=sha256))


def broken(provenance_json: str, front_matter: str, text: str) -> Broken | None:
    """Hold a card against its seal.

    Args:
        provenance_json: The text of `provenance.json`, so that every digit counts, also one that a float would lose.
        front_matter: The front matter of the README.
        text: The text below it.

    Returns:
        What was changed, or None when there is no seal.
    """
    provenance = json.loads(provenance_json, parse_float=_lexeme, parse_int=_lexeme)
    card = provenance.get("card")
    if not isinstance(card, dict) or not {"sha256", "fields", "front_matter", "text"} <= card.keys():
        return None
    body = {key: value for key, value in provenance.items() if key != "card"}
    rest = {key: value for key, value in card.items() if key != "sha256"}
    fields: list[str] = []
    intact = _digest({**body, "card": rest}) == card["sha256"]
    if not intact:
        digests = {key: _digest(value) for key, value in body.items()}
        fields = [
            key for key in dict.fromkeys([*digests, *card["fields"]]) if digests.get(key) != card["fields"].get(key)
        ]
    return Broken(
        front_matter=_digest_of_text(front_matter) != card["front_matter"],
        text=_digest_of_text(text) != card["text"],
        fields=fields,
        seal=not intact and not fields,
    )


def _lexeme(number: str) -> str:
    """A number of a JSON text as it is written, kept apart from a string of the same characters."""
    return f"\0number {number}"


def _exactly(value: Any) -> Any:
    """A value as `broken` will read it back."""
    return json.loads(json.dumps(value, allow_nan=False), parse_float=_lexeme, parse_int=_lexeme)


def _digest(value: Any) -> str:
    return _digest_of_text(json.dumps(value, sort_keys=True, separators=(",", ":")))


def _digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
