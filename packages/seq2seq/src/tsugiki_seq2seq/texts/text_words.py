"""Words and sentences of running English text, by two regular expressions.

A word is a run of letters, with apostrophes and hyphens inside ("don't", "Mary-Ann"); an abbreviated title or initial
with its full stop ("Mr.", "J."); a possessive ending ("'s"), apart from its word; a number; a dash; or any other sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ABBREVIATED = "Mr|Mrs|Ms|Dr|St|Messrs|Mme|Mlle|Mdme|Rev|Revd|Hon|Esq|Capt|Col|Gen|Lieut|Lt|Maj|Sergt|Prof|Jr|Sr|Bros"
LETTER = r"[^\W\d_]"
DASHES = "-\u2013\u2014"
APOSTROPHE = "['’]"  # noqa: RUF001
JOINER = "['’-]"  # noqa: RUF001
INITIAL = r"[A-Z]\.(?=[ ]?[A-Z])"
# Read by Python's `re` and by the engine of the `tokenizers` library alike.
WORD = (
    rf"(?:{ABBREVIATED})\.(?!\w)"
    rf"|{INITIAL}"
    rf"|{LETTER}+(?:{JOINER}(?!s(?!\w)){LETTER}+)*"
    rf"|{APOSTROPHE}s(?!\w)"
    r"|\d+(?:[.,]\d+)*"
    rf"|[{DASHES}]+"
    r"|[^\s\w]|_"
)
_WORD = re.compile(WORD)
_ENDS = frozenset(".!?")
_CLOSING = frozenset("\"'”\u2019)]")
OPENING = frozenset("\"'“\u2018([")


def split_words(text: str) -> list[str]:
    """The words and signs of a text."""
    return _WORD.findall(text)


def split_sentences(text: str) -> Iterator[list[str]]:
    """The sentences of a paragraph, as words.

    A sentence ends behind a full stop, exclamation or question mark and the quotation marks and brackets that close
    upon it, where the next word begins with a capital letter or is an opening mark.
    """
    found = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    sentence: list[str] = []
    ended = False
    for place, (word, start, _) in enumerate(found):
        if ended and not (word in _CLOSING and found[place - 1][2] == start):
            if word[0].isupper() or word in OPENING:
                yield sentence
                sentence = []
            ended = False
        sentence.append(word)
        ended = ended or word in _ENDS
    if sentence:
        yield sentence
