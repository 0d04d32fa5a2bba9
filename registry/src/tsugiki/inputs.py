"""What a task's `predict` takes, and how a command finds it: in files, folders, standard input or plain words.

A task names one of the kinds below. Listing them imports nothing heavy; what opens an input is imported when used.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import DataError
from .web import Address

# What an input is called, and its path, its bytes, its address, the word itself, or a DataError that says why not.
Source = tuple[str, Any]


@dataclass(frozen=True)
class InputKind:
    """A kind of input.

    Attributes:
        called: One of them, with its article, for messages.
        suffixes: Usual endings of files that hold such inputs, in lower case. A word that ends so names a file.
        open: Called with a path or bytes (or a word or line), a name for errors, and the model's processor; gives what
            the task's `predict` takes, or raises a DataError.
        takes_words: Whether a word that names no file is an input itself.
        by_line: Whether every line of a file, or row of a table, is an input; otherwise the file is one.
        reads: Whether a file of a folder holds such an input, by its name; by default one that has a usual ending.
    """

    called: str
    suffixes: frozenset[str]
    open: Callable[[Any, str, Any], Any]
    takes_words: bool = False
    by_line: bool = False
    reads: Callable[[Path], bool] | None = None

    def find(self, sources: Sequence[Source], read_table: Callable[[Path], list[Any]] | None = None) -> list[Source]:
        """The inputs among what a command was given.

        Args:
            sources: Files, contents and words, each with its name.
            read_table: Reads the inputs of a table, such as a CSV, where an input is a text: one a row, None where a
                row has none. By default its lines are inputs like those of any text.

        Returns:
            Names and contents. A DataError in place of a content says why that one cannot be read.

        Raises:
            DataError: A word names no file, no file holds a text, or none of several files holds such an input.
        """
        if not self.takes_words and (missing := [content for _, content in sources if isinstance(content, str)]):
            raise DataError(f"no such file or folder: {missing[0]}")
        if self.by_line:
            return _texts(sources, read_table)
        if len(sources) < 2:  # a file that was named is opened, whatever its ending
            return list(sources)
        found = [(name, path) for name, path in sources if self.holds(path)]
        if not found:
            raise DataError(f"none of the {len(sources)} files of the folder is {self.called} by its suffix")
        return found

    def read(self, content: Any, name: str, processor: Any = None) -> Any:
        """Open what `find` gave, fetching it first where it is an address.

        Args:
            content: A path, bytes, an address, a word or line, or the DataError in their place.
            name: What it is called in errors.
            processor: That of the model, for recordings.

        Raises:
            DataError: It cannot be read.
        """
        if isinstance(content, DataError):
            raise content
        return self.open(content.read() if isinstance(content, Address) else content, name, processor)

    def holds(self, path: Path) -> bool:
        """Whether a file holds such an input, by its name."""
        return path.suffix.lower() in self.suffixes if self.reads is None else self.reads(path)


def _texts(sources: Sequence[Source], read_table: Callable[[Path], list[Any]] | None) -> list[Source]:
    """Words as they are given, rows of tables, and lines of other files and of standard input, each with its place."""
    found: list[Source] = []
    for name, content in sources:
        if isinstance(content, str | DataError):
            found.append((name, content))
            continue
        try:
            with _file(name, content) as file:
                if read_table is not None and isinstance(file, Path) and file.suffix.lower() in _TABLES:
                    rows = enumerate(read_table(file), 1)
                    texts = [row or DataError(f"{name}:{number}: the row is empty") for number, row in rows]
                else:
                    texts = _lines(name, file)
        except DataError as error:
            if len(sources) == 1:
                raise
            found.append((name, error))
            continue
        found += [(f"{name}:{number}", text) for number, text in enumerate(texts, 1) if text != ""]
    if not found:
        raise DataError(f"{sources[0][0]} holds no line of text")
    return found


@contextlib.contextmanager
def _file(name: str, content: Any) -> Iterator[Path | bytes]:
    """A file or a content as it is; what lies behind an address as its content, a table of it as a file meanwhile.

    Raises:
        DataError: It cannot be fetched, or is a page to be looked at.
    """
    if not isinstance(content, Address):
        yield content
        return
    fetched = content.read()
    if fetched[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(f"{name} is a page of the web, not a file of texts")
    import tempfile
    from urllib.parse import urlsplit

    suffix = PurePosixPath(urlsplit(content.url).path).suffix.lower()
    if suffix not in _TABLES:
        yield fetched
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"table{suffix}")
        file.write_bytes(fetched)
        yield file


def _lines(name: str, content: Path | bytes) -> list[Any]:
    """The lines of a text, those of nothing but white space as empty.

    Only what ends a line for every editor does so here; a line separator or a form feed inside one is white space.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        text = (content if isinstance(content, bytes) else content.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no text in UTF-8 (byte {error.start})") from error
    return [line if line.strip() else "" for line in _LINE_END.split(text)]


def _open_picture(content: Any, name: str, processor: Any) -> Any:
    from .images import open_image

    return open_image(content, name=name)


def _open_clip(content: Any, name: str, processor: Any) -> Any:
    from .images import open_image

    return open_image(content, name=name, all_frames=True)


def _is_picture(path: Path) -> bool:
    from .images import is_image_file

    return is_image_file(path)


def _open_recording(content: Any, name: str, processor: Any) -> Any:
    from .audio import read_waveform

    return read_waveform(content, processor.sampling_rate, name=name)


def _as_it_is(content: Any, name: str, processor: Any) -> Any:
    return content


def _split_pair(content: Any, name: str, processor: Any) -> Any:
    """Two texts with a tab between them as a list; a text without one alone."""
    return content.split("\t") if isinstance(content, str) and "\t" in content else content


_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".parquet"})
_TEXT_FILES = _TABLES | {".txt", ".md"}
_LINE_END = re.compile("\r\n|\r|\n")
PICTURES = InputKind(
    "an image",
    frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}),
    _open_picture,
    reads=_is_picture,  # whatever Pillow opens
)
CLIPS = InputKind("an animated image", frozenset({".gif", ".webp", ".png"}), _open_clip, reads=_is_picture)
RECORDINGS = InputKind(
    "a recording",
    frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}),
    _open_recording,
)
TEXTS = InputKind("a text", _TEXT_FILES, _as_it_is, takes_words=True, by_line=True)
PAIRS = InputKind("a text or two with a tab between them", _TEXT_FILES, _split_pair, takes_words=True, by_line=True)
KINDS = (PICTURES, CLIPS, RECORDINGS, TEXTS, PAIRS)


def looks_like_file(word: str) -> bool:
    """Whether a word of the command line is a file's name by its ending, whatever kind of input that would hold."""
    has_space = any(sign.isspace() for sign in word)
    return not has_space and any(Path(word).suffix.lower() in kind.suffixes for kind in KINDS)
