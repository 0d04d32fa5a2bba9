"""Reads the ``.bin`` files of fastText: words, counts, and the matrix of words and n-grams (no pickle among them).

The layout, all little-endian, as fastText 0.9 writes it (``FastText::saveModel``):

    int32 magic, int32 version; the arguments: 12 of int32 and a double
    int32 entries, int32 words, int32 labels, int64 tokens, int64 size of the pruning index (-1 for none)
    per entry: the word in UTF-8, a zero byte, int64 count, int8 kind (0 a word, 1 a label)
    bool whether the matrix is quantised; int64 rows, int64 columns, float32 values: the words' rows, then the buckets'
    (the output layer, which word vectors need no more)

Files of 2016, before version 11, have neither the magic number nor the version, the pruning index and the boolean.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError

from ..words.subwords import subword_ids
from .word2vec_files import KEPT_AS_BYTES

MAGIC = 793_712_314
END_OF_SENTENCE = "</s>"
END_OF_SENTENCE_WHOLE = 12  # the version from which on this word has no n-grams
LONGEST_WORD = 100_000  # bytes; beyond, no zero byte ends the word and the file is something else
MOST_COLUMNS = 100_000


@dataclass(frozen=True)
class FastTextFile:
    """What a ``.bin`` file holds of words.

    Attributes:
        words: The words, the commonest first.
        counts: How often each was seen, int64 (V,).
        word_matrix: The words' own vectors, float32 (V, D).
        bucket_matrix: The vectors of n-grams by hash, float32 (buckets, D).
        min_n: Letters of the shortest n-grams.
        max_n: Letters of the longest; 0 where words have no n-grams.
        version: Of the format; 0 for files of 2016, which do not say.
    """

    words: list[str]
    counts: NDArray[np.int64]
    word_matrix: NDArray[np.float32]
    bucket_matrix: NDArray[np.float32]
    min_n: int
    max_n: int
    version: int

    def vectors(self) -> NDArray[np.float32]:
        """The vectors of the words, float32 (V, D): each the mean of the word's own row and those of its n-grams."""
        buckets = len(self.bucket_matrix)
        if not buckets or self.max_n < 1:
            return self.word_matrix.copy()
        found = np.empty_like(self.word_matrix)
        for row, word in enumerate(self.words):
            ids: list[int] = []
            if word != END_OF_SENTENCE or self.version < END_OF_SENTENCE_WHOLE:
                ids = subword_ids(word, num_buckets=buckets, min_n=max(1, self.min_n), max_n=self.max_n)
            found[row] = (self.word_matrix[row] + self.bucket_matrix[ids].sum(axis=0)) / (1 + len(ids))
        return found


def read_fasttext(file: BinaryIO, path: str | Path, *, unicode_errors: str = "strict") -> FastTextFile:
    """Read an open ``.bin`` file.

    Args:
        file: At its start.
        path: For messages.
        unicode_errors: What to do with words that are not UTF-8, as `bytes.decode` takes it.

    Raises:
        DataError: It is cut off, damaged, quantised, or no file of fastText.
    """
    reader = _Reader(file, path)
    first, version = reader.numbers("<2i")
    is_new = first == MAGIC
    dimension = reader.numbers("<2i")[0] if is_new else first  # the window follows
    if not 1 <= dimension <= MOST_COLUMNS:
        raise DataError(f"{path}: is no file of fastText: it names {dimension} numbers a word")
    # epoch, min_count, neg, word_ngrams, loss, model, bucket, minn, maxn, lr_update_rate, t
    arguments = reader.numbers("<10id")
    min_n, max_n = int(arguments[7]), int(arguments[8])
    entries, words_count, labels = reader.numbers("<3i")
    reader.numbers("<q")  # tokens of the corpus
    pruned = reader.numbers("<q")[0] if is_new else -1
    if min(entries, words_count, labels) < 0 or entries != words_count + labels:
        raise DataError(f"{path}: damaged: {entries} entries are not {words_count} words and {labels} labels")
    if words_count == 0:
        raise DataError(f"{path}: holds no word")
    if pruned > 0:
        raise DataError(f"{path}: its n-grams are pruned, as in .ftz files; take the .bin file they were made from")
    words, counts = _read_words(reader, entries, words_count, unicode_errors)
    if is_new and reader.numbers("<?")[0]:
        raise DataError(f"{path}: its matrix is quantised, as in .ftz files; take the .bin file it was made from")
    rows, columns = reader.numbers("<2q")
    if columns != dimension or rows < words_count:
        raise DataError(f"{path}: damaged: a matrix of {rows} x {columns} for {words_count} words of {dimension}")
    matrix = reader.matrix(rows, columns)
    if not np.isfinite(matrix).all():
        row = int(np.argmin(np.isfinite(matrix).all(axis=1)))
        of = f"the word {words[row]!r}" if row < words_count else f"bucket {row - words_count}"
        raise DataError(f"{path}: the vector of {of} holds NaN or infinity")
    return FastTextFile(
        words, counts, matrix[:words_count], matrix[words_count:], min_n, max_n, version if is_new else 0
    )


def _read_words(
    reader: _Reader, entries: int, words_count: int, unicode_errors: str
) -> tuple[list[str], NDArray[np.int64]]:
    """The words and their counts; labels of supervised models follow them and are left out."""
    words: list[str] = []
    counts: list[int] = []
    for number in range(1, entries + 1):
        spelled = reader.until_zero(number)
        count, kind = reader.numbers("<qb")
        if len(words) < words_count and kind == 0:
            try:
                words.append(spelled.decode("utf-8", unicode_errors))
            except UnicodeDecodeError as error:
                raise DataError(f"{reader.path}: word {number}: {spelled!r} is not UTF-8; {KEPT_AS_BYTES}") from error
            counts.append(count)
    if len(words) != words_count:
        raise DataError(f"{reader.path}: damaged: {len(words)} of its {entries} entries are words, not {words_count}")
    return words, np.array(counts, np.int64)


class _Reader:
    """Reads numbers, words and a matrix, and tells when the file ends before them."""

    def __init__(self, file: BinaryIO, path: str | Path) -> None:
        self.file = file
        self.path = path
        self.buffer = b""
        self.position = 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        length = struct.calcsize(layout)
        while len(self.buffer) - self.position < length:
            if not self._more():
                raise DataError(f"{self.path}: cut off: it ends before the vectors do")
        found = struct.unpack_from(layout, self.buffer, self.position)
        self.position += length
        return found

    def until_zero(self, number: int) -> bytes:
        while (end := self.buffer.find(b"\0", self.position)) < 0:
            if len(self.buffer) - self.position > LONGEST_WORD or not self._more():
                raise DataError(f"{self.path}: cut off or damaged in word {number} of its vocabulary")
        found = self.buffer[self.position : end]
        self.position = end + 1
        return found

    def matrix(self, rows: int, columns: int) -> NDArray[np.float32]:
        """float32 (rows, columns), read a piece at a time: what the file claims is believed as far as it has it."""
        pieces = [self.buffer[self.position :]]
        missing = 4 * rows * columns - len(pieces[0])
        while missing > 0:
            more = self.file.read(min(missing, 1 << 26))
            if not more:
                raise DataError(f"{self.path}: cut off: its matrix ends {missing:,} bytes too early")
            pieces.append(more)
            missing -= len(more)
        values = np.frombuffer(b"".join(pieces), "<f4", rows * columns)
        return values.reshape(rows, columns).astype(np.float32, copy=False)

    def _more(self) -> bool:
        """Read on, keeping what is not yet used; False at the end of the file."""
        more = self.file.read(1 << 20)
        self.buffer = self.buffer[self.position :] + more
        self.position = 0
        return bool(more)
