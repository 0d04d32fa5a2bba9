"""Reads and writes the files of word2vec and GloVe: text with or without a first line of sizes, and binary.

    word2vec text       "V D", then a line a word: the word and D numbers, parted by spaces
    word2vec binary     "V D", then for each word: the word, a space, D float32 (little-endian), perhaps a newline
    GloVe               as word2vec text without the first line

Every reader stops at the first thing that does not fit, and says where it is.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError

ROWS_AT_ONCE = 1_000  # lines that are text at once when writing
LONGEST_WORD = 100_000  # bytes; beyond, no space ends the word and the file is something else
MOST_NUMBERS = 1_000_000  # a word; a first line that says more is damaged
KEPT_AS_BYTES = "unicode_errors='backslashreplace' keeps such words, their bytes written out"
_DECIMAL_COMMA = re.compile(rb"(?<=\d),(?=\d)")
_GROWTH = 2**16  # rows by which a matrix of unknown height grows first


@dataclass
class Rows:
    """Words and vectors as a reader collects them.

    Attributes:
        path: For messages.
        dimension: Numbers a word.
        expected: Rows that there should be, if the file says.
        unit: What a row is called: ``line`` or ``word``.
        first: Number of the first row in the file.
        unicode_errors: What to do with words that are not UTF-8, as `bytes.decode` takes it.
        words: The words so far, with their row.
    """

    path: str | Path
    dimension: int
    expected: int | None
    unit: str
    first: int
    unicode_errors: str = "strict"
    words: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._matrix = np.empty((min(self.expected or _GROWTH, _GROWTH), self.dimension), np.float32)

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"{self.path}: {self.unit} {row + self.first}"

    def add(self, spelled: bytes, values: NDArray[np.float32]) -> None:
        """Take one word and its vector.

        Raises:
            DataError: The word is empty, not UTF-8 or there already, or the vector is not finite.
        """
        row = len(self.words)
        try:
            word = spelled.decode("utf-8", self.unicode_errors)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.place(row)}: the word {spelled!r} is not UTF-8; {KEPT_AS_BYTES}") from error
        if not word:
            raise DataError(f"{self.place(row)}: begins with no word")
        if word in self.words:
            where = self.words[word] + self.first
            raise DataError(f"{self.place(row)}: the word {word!r} stands in {self.unit} {where} already")
        if not np.isfinite(values).all():
            raise DataError(f"{self.place(row)}: the vector of {word!r} holds NaN or infinity")
        if row == len(self._matrix):
            wanted = 2 * row if self.expected is None else min(2 * row, self.expected)
            grown = np.empty((wanted, self.dimension), np.float32)
            grown[:row] = self._matrix
            self._matrix = grown
        self._matrix[row] = values
        self.words[word] = row

    def finish(self, limit: int | None) -> tuple[list[str], NDArray[np.float32]]:
        """The words and their matrix (V, D).

        Raises:
            DataError: There are none, or fewer than the file says.
        """
        count = len(self.words)
        if self.expected is not None and count < min(self.expected, limit or self.expected):
            raise DataError(f"{self.path}: its first line says {self.expected:,} words, and it holds {count:,}")
        if count == 0:
            raise DataError(f"{self.path}: holds no word")
        return list(self.words), self._matrix[:count]


def read_text(
    file: BinaryIO, path: str | Path, *, header: bool, limit: int | None = None, unicode_errors: str = "strict"
) -> tuple[list[str], NDArray[np.float32]]:
    """Read text of word2vec (with a first line of sizes) or of GloVe (without).

    Args:
        file: At its start.
        path: For messages.
        header: Whether the first line gives the sizes.
        limit: Read only so many words.
        unicode_errors: What to do with words that are not UTF-8, as `bytes.decode` takes it.

    Raises:
        DataError: Something does not fit; names the line.
    """
    rows: Rows | None = None
    if header:
        count, dimension = read_sizes(file.readline(), path)
        rows = Rows(path, dimension, count, "line", 2, unicode_errors)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that text is no number
        for line in file:
            stripped = line.rstrip()
            if not stripped:
                if file.read().strip():
                    raise DataError(f"{_line(path, rows)}: is empty")
                break
            if (rows is None or not rows.words) and _has_decimal_commas(stripped):
                raise DataError(f"{_line(path, rows)}: its numbers have decimal commas; write them with points")
            if rows is None:
                rows = Rows(path, _count_numbers(stripped, path), None, "line", 1, unicode_errors)
            if len(rows.words) == limit:
                break
            if len(rows.words) == rows.expected:
                raise DataError(f"{_line(path, rows)}: is one too many: the first line says {rows.expected:,} words")
            rows.add(*_split_line(stripped, rows))
    if rows is None:
        raise DataError(f"{path}: is empty")
    return rows.finish(limit)


def read_binary(
    file: BinaryIO, path: str | Path, *, limit: int | None = None, unicode_errors: str = "strict"
) -> tuple[list[str], NDArray[np.float32]]:
    """Read binary word2vec vectors.

    Args:
        file: At its start.
        path: For messages.
        limit: Read only so many words.
        unicode_errors: What to do with words that are not UTF-8, as `bytes.decode` takes it.

    Raises:
        DataError: Something does not fit; names the word by its number.
    """
    count, dimension = read_sizes(file.readline(), path)
    rows = Rows(path, dimension, count, "word", 1, unicode_errors)
    width = 4 * dimension
    buffer, position, ended = b"", 0, False
    for row in range(count if limit is None else min(count, limit)):
        while True:
            space = buffer.find(b" ", position)
            if space >= 0 and len(buffer) - space > width:
                break
            if ended:
                raise DataError(f"{path}: cut off in word {row + 1} of {count:,}")
            if space < 0 and len(buffer) - position > LONGEST_WORD:
                raise DataError(f"{path}: no space ends word {row + 1}; it is no binary file of word2vec")
            more = file.read(max(1 << 20, width))
            ended = not more
            buffer, position = buffer[position:] + more, 0
        values = np.frombuffer(buffer, "<f4", dimension, space + 1)
        rows.add(buffer[position:space].lstrip(b"\n"), values)
        position = space + 1 + width
    if limit is None and (buffer[position:] + file.read(1 << 10)).strip():
        raise DataError(f"{path}: goes on behind the {count:,} words that its first line says")
    return rows.finish(limit)


def read_sizes(line: bytes, path: str | Path) -> tuple[int, int]:
    """The numbers of words and of numbers a word that a first line gives.

    Raises:
        DataError: It gives none.
    """
    sizes = parse_sizes(line)
    if sizes is None:
        raise DataError(f"{path}: line 1: must give the number of words and of numbers a word, not {line[:40]!r}")
    if sizes[0] < 1 or not 1 <= sizes[1] <= MOST_NUMBERS:
        raise DataError(f"{path}: line 1: says {sizes[0]:,} words of {sizes[1]:,} numbers")
    return sizes


def parse_sizes(line: bytes) -> tuple[int, int] | None:
    """The two whole numbers of a first line, or None if it is another."""
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() and len(part) < 16 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def text_lines(words: Sequence[str], matrix: NDArray[np.floating]) -> Iterator[bytes]:
    """Words and vectors as text, many lines at a time; each number as the shortest that reads back as the same."""
    for start in range(0, len(words), ROWS_AT_ONCE):
        numbers = np.asarray(matrix[start : start + ROWS_AT_ONCE], np.float32).astype(str)
        lines = (
            f"{word} {' '.join(row)}\n"
            for word, row in zip(words[start : start + ROWS_AT_ONCE], numbers.tolist(), strict=True)
        )
        yield "".join(lines).encode("utf-8")


def binary_rows(words: Sequence[str], matrix: NDArray[np.floating]) -> Iterator[bytes]:
    """Words and vectors in the binary format, many at a time."""
    for start in range(0, len(words), ROWS_AT_ONCE):
        rows = np.asarray(matrix[start : start + ROWS_AT_ONCE], "<f4")
        pairs = zip(words[start : start + ROWS_AT_ONCE], rows, strict=True)
        yield b"".join(word.encode("utf-8") + b" " + row.tobytes() + b"\n" for word, row in pairs)


def decimal_points(numbers: bytes) -> bytes:
    """Numbers with points where they have decimal commas, as German or French programs write them."""
    return _DECIMAL_COMMA.sub(b".", numbers)


def _has_decimal_commas(line: bytes) -> bool:
    """Whether the numbers behind the first word have commas, and no points."""
    numbers = line.partition(b" ")[2]
    return _DECIMAL_COMMA.search(numbers) is not None and b"." not in numbers


def _split_line(line: bytes, rows: Rows) -> tuple[bytes, NDArray[np.float32]]:
    """Word and vector of one line; a word may hold spaces, as some of GloVe's do, with no number behind them."""
    word, _, numbers = line.partition(b" ")
    values = _parse(numbers)
    if values is not None and len(values) == rows.dimension:
        return word, values
    parts = line.rsplit(b" ", rows.dimension)
    words = parts[0].split(b" ")
    if len(parts) == rows.dimension + 1 and not any(_is_number(part) for part in words[1:]):
        values = _parse(b" ".join(parts[1:]))
        if values is not None and len(values) == rows.dimension:
            return parts[0], values
    if values is None:
        raise DataError(f"{_line(rows.path, rows)}: holds something else than a word and numbers: {line[:60]!r}")
    found = len(values)
    raise DataError(f"{_line(rows.path, rows)}: has {found} numbers, and the lines before {rows.dimension}")


def _parse(numbers: bytes) -> NDArray[np.float32] | None:
    """The numbers of a text, or None if it holds something else."""
    try:
        return np.fromstring(numbers, np.float32, sep=" ")
    except (DeprecationWarning, ValueError):
        return None


def _is_number(part: bytes) -> bool:
    try:
        float(part)
    except ValueError:
        return False
    return True


def _count_numbers(line: bytes, path: str | Path) -> int:
    """How many numbers end a line."""
    parts = line.split(b" ")
    count = 0
    while count < len(parts) - 1 and _is_number(parts[-1 - count]):
        count += 1
    if count == 0:
        raise DataError(f"{path}: line 1: holds no word with numbers behind it: {line[:60]!r}")
    return count


def _line(path: str | Path, rows: Rows | None) -> str:
    return f"{path}: line 1" if rows is None else rows.place(len(rows.words))
