"""What only a person knows of a card's metadata: the front matter of a `card.md`, which may have one as cards do.

---
language: [ja, en]
---
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import CardError, did_you_mean
from .yaml_block import BLOCK, parse_front_matter

# ISO 639-1, and what the Hub takes besides; it also takes the three letters of ISO 639-2 and 639-3.
_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu code multilingual
"""
LANGUAGES = frozenset(_CODES.split())
LICENSE_FILE = "LICENSE"  # of the snapshot, to which a `license_link` may lead
_FIELDS = ("language", "license_link")
_ADDRESS = re.compile(r"https?://[^\s,;<>()]+")
_THREE_LETTERS = re.compile(r"[a-z]{3}\Z")


@dataclass(frozen=True)
class CardMetadata:
    """What the front matter of a `card.md` says.

    Attributes:
        language: Codes of the languages that the model reads, hears or writes.
        license_link: Where an ``other`` licence is read: an address, or a file of the snapshot.
    """

    language: tuple[str, ...] = ()
    license_link: str | None = None


def split_prose(card_md: str) -> tuple[CardMetadata, str]:
    """A `card.md` as the metadata that it states, if there is any, and its prose.

    Raises:
        CardError: The front matter is no YAML mapping, or a field is unknown or wrong.
    """
    match = BLOCK.match(card_md)
    if match is None:
        return CardMetadata(), card_md
    data = parse_front_matter(match[1], "card.md")
    if unknown := next((name for name in data if name not in _FIELDS), None):
        raise CardError(
            f"card.md states {unknown!r}; it may state {' and '.join(_FIELDS)}.{did_you_mean(str(unknown), _FIELDS)}"
        )
    given = data.get("language", [])
    languages = tuple(given if isinstance(given, list) else [given])
    check_metadata(languages, link := data.get("license_link"))
    return CardMetadata(languages, link), card_md[match.end() :]


def check_metadata(languages: Any, link: Any) -> None:
    """Refuse what the Hub does not take.

    Args:
        languages: Several codes.
        link: The link of a licence; None for none.

    Raises:
        CardError: Says which and what it takes.
    """
    for code in languages:
        if not isinstance(code, str) or (code not in LANGUAGES and not _THREE_LETTERS.match(code)):
            shown = repr(code) + (" (a word that YAML reads as a truth value: quote it)" if code is False else "")
            raise CardError(f"language {shown} is no code of ISO 639, such as en or ja, nor code or multilingual")
    if link is not None and link != LICENSE_FILE and not (isinstance(link, str) and _ADDRESS.fullmatch(link)):
        raise CardError(f"license_link {link!r} is neither an address nor {LICENSE_FILE}")


def license_link(metadata: CardMetadata, identifier: str | None, source: str) -> str | None:
    """Where a licence is read that is ``other``: as stated, or the address in the source of the training data."""
    if identifier != "other":
        return None
    found = _ADDRESS.search(source)
    return metadata.license_link or (found[0].rstrip(".") if found else None)
