"""The error for words that a vocabulary does not have, with the nearest known ones."""

from __future__ import annotations

from collections.abc import Sequence

from tsugiki.errors import DataError, did_you_mean, nearest

SUGGESTED_FROM = 50_000  # an unknown word is compared with so many of the first words
NAMED = 5  # unknown words that are named


def unknown_words(words: Sequence[str], vocabulary: Sequence[str]) -> DataError:
    """The error that names unknown words and the known ones nearest to them.

    Args:
        words: At least one.
        vocabulary: The known words, common ones first.
    """
    listed = ", ".join(repr(word) for word in words[:NAMED]) + (", …" if len(words) > NAMED else "")
    if len(words) == 1:
        hint = did_you_mean(words[0], _near(words[0], vocabulary))
        return DataError(f"the vocabulary does not have the word {listed}.{hint}")
    near = [f"{word!r}: {found[0]!r}" for word in words[:NAMED] if (found := nearest(word, _near(word, vocabulary), 1))]
    hint = f" Nearest known ones: {', '.join(near)}" if near else ""
    return DataError(f"the vocabulary does not have the words {listed}.{hint}")


def _near(word: str, vocabulary: Sequence[str]) -> list[str]:
    """The words that an unknown one is compared with: common ones of about its length."""
    return [known for known in vocabulary[:SUGGESTED_FROM] if abs(len(known) - len(word)) <= 2]
