"""One spelling of what reads the same: composed letters, single spaces, no marks that nobody sees.

The same sentence may come typed or pasted, with no-break spaces, with letters put together of two code points, with a
byte-order mark before it. To a reader it is one sentence, and so it is to a model, in training and in use. A tokenizer
has these steps as its normaliser, in its own file, so that transformers alone does the same; texts and words that are
compared as such go through `plain_text`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers.normalizers import Normalizer

# Soft hyphen, zero-width space, marks of direction, word joiner, byte-order mark. Joiners are none: they shape letters.
UNSEEN = r"[\u00ad\u200b\u200e\u200f\u2060\ufeff]"
SPACES = r"[\s\x1c-\x1f\x85]+"
SPACES_IN_LINE = r"[^\S\n]+"
LINE_END = r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"

_UNSEEN = re.compile(UNSEEN)
_SPACES = re.compile(SPACES)


def plain_text(text: str) -> str:
    """A text as models read it: Unicode's form C, any white space one space and none at the ends, no unseen marks."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", _UNSEEN.sub("", text))).strip(" ")


def plain_text_steps(*, keep_lines: bool = False) -> list[Normalizer]:
    """The same as `plain_text` as steps of a tokenizer's normaliser.

    Args:
        keep_lines: Leave the ends of lines as line feeds, those at a text's ends too: of verse and code they are part.
    """
    from tokenizers import Regex, normalizers

    spaces = [normalizers.Replace(Regex(SPACES), " "), normalizers.Strip()]
    if keep_lines:
        spaces = [
            normalizers.Replace(Regex(LINE_END), "\n"),
            normalizers.Replace(Regex(SPACES_IN_LINE), " "),
            normalizers.Replace(Regex(r"\A | \z|(?<=\n) | (?=\n)"), ""),
        ]
    return [normalizers.Replace(Regex(UNSEEN), ""), normalizers.NFC(), *spaces]
