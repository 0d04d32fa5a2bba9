"""Spellings of a word that read the same: composed letters or not, the straight or the curved apostrophe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from tsugiki.plain_text import plain_text

APOSTROPHE = "\u2019"  # the typographic one, which becomes the plain one


def plain_word(word: str) -> str:
    """A word as tokenizers read it: `plain_text` with the plain apostrophe."""
    return plain_text(word).replace(APOSTROPHE, "'")


def plain_words(words: Sequence[str]) -> list[str]:
    """Words as tokenizers read them, each a different one.

    Of several that read the same, the one that is spelled so already has that spelling, else the first; the others keep
    their own.
    """
    taken = set(words)
    spelled = []
    for word in words:
        plain = plain_word(word)
        spelled.append(word if plain in taken or not plain else plain)
        taken.add(plain)
    return spelled


class WordIndex(Mapping[str, int]):
    """Row of each word of a vocabulary, found by any spelling of it; the exact one goes first.

    Args:
        words: The words.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._rows = {word: row for row, word in enumerate(words)}

    @cached_property
    def _plain_rows(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for word, row in self._rows.items():
            found.setdefault(plain_word(word), row)
        return found

    def __getitem__(self, word: str) -> int:
        row = self._rows.get(word)
        return self._plain_rows[plain_word(word) if isinstance(word, str) else word] if row is None else row

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
