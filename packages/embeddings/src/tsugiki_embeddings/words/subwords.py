"""The pieces of words that fastText gives vectors to (Bojanowski et al. 2017, Enriching word vectors with subword
information, section 3.2): every run of 3 to 6 letters of the word between `<` and `>`, hashed into a number of buckets.
"""

from __future__ import annotations

from collections.abc import Iterator

FNV_OFFSET, FNV_PRIME = 2_166_136_261, 16_777_619  # of the 32 bit hash of Fowler, Noll and Vo
_MASK = 0xFFFFFFFF


def fnv1a(data: bytes) -> int:
    """The 32 bit FNV-1a hash as fastText computes it, from 0 to 2**32 - 1.

    fastText takes bytes for signed numbers: one from 128 on changes all 32 bits, which it does not in FNV-1a proper.
    """
    value = FNV_OFFSET
    for byte in data:
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * FNV_PRIME) & _MASK
    return value


def character_ngrams(word: str, min_n: int = 3, max_n: int = 6) -> Iterator[str]:
    """The n-grams of a word between `<` and `>`, the shorter first at each place; single marks are none."""
    marked = f"<{word}>"
    for start in range(len(marked)):
        for length in range(min_n, min(max_n, len(marked) - start) + 1):
            if length > 1 or 0 < start < len(marked) - 1:
                yield marked[start : start + length]


def subword_ids(word: str, *, num_buckets: int, min_n: int = 3, max_n: int = 6) -> list[int]:
    """Bucket of each n-gram of a word, from 0 to `num_buckets` - 1; none if the word is too short to have one."""
    return [fnv1a(ngram.encode("utf-8")) % num_buckets for ngram in character_ngrams(word, min_n, max_n)]
