"""Word vectors from and to other programs: gensim, word2vec, GloVe, fastText.

    format              read    written
    word2vec-text       yes     yes         also fastText's .vec
    word2vec-binary     yes     yes
    glove               yes     yes         text without a line of sizes
    fasttext            yes     no          the .bin of fastText: its words, their n-grams taken in
    snapshot            yes     yes         our own folder: `WordVectors.load`, `WordVectors.save`

Text and binary files may be packed with gzip. A file that gensim's ``save`` wrote is a pickle, which runs code when it
is opened, and is refused with the line that exports it.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.output import atomic_file
from tsugiki.output_path import check_output_path

from .fasttext_file import MAGIC, MOST_COLUMNS, read_fasttext
from .vector_table import VectorTable
from .word2vec_files import binary_rows, decimal_points, parse_sizes, read_binary, read_text, text_lines

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

WRITTEN = ("word2vec-text", "word2vec-binary", "glove")
FORMATS = (*WRITTEN, "fasttext")
SUFFIXES = {".vec": "word2vec-text", ".txt": "word2vec-text", ".bin": "word2vec-binary", ".glove": "glove"}
UNICODE_ERRORS = ("strict", "backslashreplace", "replace", "ignore")
_GZIP = b"\x1f\x8b"
_PICKLE = re.compile(rb"\x80[\x02-\x05][^\x00 ]|PK\x03\x04|\x93NUMPY")
_SPACES = " \t\n\r\v\f"
_FIRST_PRINTABLE = 32  # lower bytes are control characters
_LOOKED_AT = 1 << 16  # bytes from which a format is told
_NUMBER_SIGNS = frozenset(b"0123456789+-.,eE \t\r\n")
_PRINTABLE = frozenset(range(_FIRST_PRINTABLE, 127)) | frozenset(b"\t\r\n")
_TELLING = 16  # bytes of binary numbers that are hardly ever all printable


def read_vectors(
    path: str | Path, *, format: str | None = None, limit: int | None = None, unicode_errors: str = "strict"
) -> VectorTable:
    """Read word vectors from a file.

    Args:
        path: A file of `FORMATS`, or a snapshot folder.
        format: One of `FORMATS`; by default it is told from the first bytes.
        limit: Read only the first so many words, which are the commonest in most files.
        unicode_errors: What to do with words that are not UTF-8, which older programs wrote by cutting words off:
            ``strict`` refuses them, ``backslashreplace`` keeps them with those bytes written out.

    Returns:
        The vectors in the order of the file, float32.

    Raises:
        DataError: The file is missing, broken, a pickle or of no known format; names the line, or the word's number.
        OptionError: The format is unknown, or the limit out of range.
    """
    if format is not None and format not in FORMATS:
        raise OptionError(f"unknown format {format!r}, only {', '.join(FORMATS)}.{did_you_mean(format, FORMATS)}")
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1 word, not {limit}")
    if unicode_errors not in UNICODE_ERRORS:
        raise OptionError(f"unicode_errors={unicode_errors!r} is none of {', '.join(UNICODE_ERRORS)}")
    if Path(path).is_dir():
        from .vectors_of_models import load_vectors

        return load_vectors(Path(path)).first(limit)
    try:
        with _opened(path) as file:
            start = file.read(_LOOKED_AT)
            found = format or _format_of(start, path)
        with _opened(path) as file:
            if found == "fasttext":
                read = read_fasttext(file, path, unicode_errors=unicode_errors)
                return VectorTable(read.words, read.vectors(), read.counts).first(limit)
            if found == "word2vec-binary":
                return VectorTable(*read_binary(file, path, limit=limit, unicode_errors=unicode_errors))
            has_sizes = found == "word2vec-text"
            return VectorTable(*read_text(file, path, header=has_sizes, limit=limit, unicode_errors=unicode_errors))
    except MemoryError as error:
        raise DataError(f"{path}: its vectors do not fit into memory; read fewer with limit") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: cut off: {error}") from error
    except OSError as error:  # gzip's own errors among them
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def write_vectors(
    vectors: VectorTable, path: str | Path, *, format: str | None = None, overwrite: bool = False
) -> None:
    """Write word vectors to a file, whole or not at all; packed with gzip if its name ends in ``.gz``.

    Counts are not in these files; a snapshot (`WordVectors.save`) keeps them.

    Args:
        vectors: What to write, as float32.
        path: The file.
        format: One of `WRITTEN`; by default by the name: ``.vec`` and ``.txt`` are word2vec text, ``.bin`` is binary,
            ``.glove`` has no line of sizes.
        overwrite: Replace a file that is there.

    Raises:
        OptionError: The format is unknown or cannot be told.
        DataError: A word holds white space, which parts words and numbers in these files, or a vector is not finite.
        OutputError: The file cannot be written, or is there and not to be replaced.
    """
    path = check_output_path(path, (), overwrite=overwrite)
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    packed = suffixes[-1:] == [".gz"]
    ending = (suffixes[:-1] if packed else suffixes)[-1:]
    if format is None:
        format = SUFFIXES.get(ending[0]) if ending else None
        if format is None:
            raise OptionError(f"the name {str(path)!r} tells no format; name one of {', '.join(WRITTEN)}")
    if format not in WRITTEN:
        raise OptionError(
            f"format {format!r} is not written, only {', '.join(WRITTEN)}.{did_you_mean(format, WRITTEN)}"
        )
    spaced = next((word for word in vectors.words if not word or any(space in word for space in _SPACES)), None)
    if spaced is not None:
        raise DataError(f"the word {spaced!r} holds white space (or nothing), which ends a word in such files")
    vectors.norms()  # refuses NaN
    with _written(path, packed=packed, overwrite=overwrite) as file:
        if format != "glove":
            file.write("{} {}\n".format(*vectors.matrix.shape).encode())
        pieces = binary_rows if format == "word2vec-binary" else text_lines
        for piece in pieces(vectors.words, vectors.matrix):
            file.write(piece)


def from_gensim(keyed_vectors: KeyedVectors | Any) -> VectorTable:
    """Take over gensim's `KeyedVectors`.

    Args:
        keyed_vectors: Or a model that has them (`Word2Vec`, `FastText`). The matrix is shared, not copied. Of fastText
            the words are taken with their n-grams in them; n-grams of unknown words are left behind.

    Raises:
        DataError: Its keys are not words.
    """
    found = getattr(keyed_vectors, "wv", keyed_vectors)
    words = list(found.index_to_key)
    if not all(isinstance(word, str) for word in words):
        raise DataError("the keys of these KeyedVectors are not all words; vectors of documents are not taken over")
    counts = found.expandos.get("count")
    return VectorTable(words, found.vectors, counts)


def to_gensim(vectors: VectorTable) -> KeyedVectors:
    """The same vectors as gensim's `KeyedVectors`, float32, with the counts if there are some."""
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.matrix.shape[1])
    keyed.add_vectors(vectors.words, np.asarray(vectors.matrix, np.float32))
    if vectors.counts is not None:
        keyed.expandos["count"] = vectors.counts.copy()
    return keyed


def export_line(path: str | Path) -> str:
    """The shell command that turns a file of gensim's ``save`` into one that is read here."""
    return (
        'python -c "from gensim.utils import SaveLoad; '
        f"saved = SaveLoad.load('{path}'); "
        f"getattr(saved, 'wv', saved).save_word2vec_format('{path}.w2v.bin', binary=True)\""
    )


def _format_of(start: bytes, path: str | Path) -> str:
    """The format of a file by its first bytes.

    Raises:
        DataError: It is empty, a pickle, or none that is known.
    """
    if not start.strip():
        raise DataError(f"{path}: is empty")
    if _PICKLE.match(start):
        raise DataError(
            f"{path} is no file of vectors but a pickle or an archive, which is not opened because it can run code; "
            f"if gensim saved it, export it with: {export_line(path)}"
        )
    if int.from_bytes(start[:4], "little") == MAGIC:
        return "fasttext"
    if b"\0" in start[1:4] and 1 <= int.from_bytes(start[:4], "little") <= MOST_COLUMNS:
        return "fasttext"  # of 2016, which begins with the numbers a word
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: is text in UTF-16; save it as UTF-8")
    line, _, rest = start.partition(b"\n")
    if (sizes := parse_sizes(line)) is not None:
        return "word2vec-text" if _holds_text(rest, sizes[1], path) else "word2vec-binary"
    if _looks_like_text(line):
        return "glove"
    raise DataError(f"{path}: line 1: is neither sizes nor a word with numbers; known formats: {', '.join(FORMATS)}")


def _holds_text(rows: bytes, dimension: int, path: str | Path) -> bool:
    """Whether the numbers behind the first word are written out; what encoding the word has tells nothing.

    Raises:
        DataError: They are text and no numbers.
    """
    numbers = re.split(rb"[ \t]", rows, maxsplit=1)[-1][: 4 * dimension] if dimension else b""
    written = sum(byte in _NUMBER_SIGNS for byte in numbers)
    if 2 * written <= len(numbers) >= _TELLING and all(byte in _PRINTABLE for byte in numbers):
        raise DataError(f"{path}: line 2: holds something else than a word and numbers: {rows[:60]!r}")
    return 2 * written > len(numbers)


def _looks_like_text(line: bytes) -> bool:
    """Whether a line is a word and at least one number."""
    parts = line.split()
    if len(parts) < 2 or any(byte < _FIRST_PRINTABLE and byte not in b"\t\r" for byte in line):
        return False
    try:
        float(decimal_points(parts[-1]))
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    """A file to read, unpacked if it is packed with gzip, behind a byte-order mark of UTF-8 if it begins with one."""
    with Path(path).open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        with gzip.open(file) if packed else contextlib.nullcontext(file) as unpacked:
            if unpacked.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                unpacked.seek(0)
            yield cast("BinaryIO", unpacked)


@contextlib.contextmanager
def _written(path: Path, *, packed: bool, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write, which appears when it is complete."""
    with atomic_file(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        if packed:
            # Without name and time, so that the same vectors make the same file.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packing:
                yield cast("BinaryIO", packing)
        else:
            yield file
