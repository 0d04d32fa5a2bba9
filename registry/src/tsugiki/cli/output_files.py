"""A file for each input of a command, in one folder: what was seen in each picture, each photograph painted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ..errors import OutputError
from ..file_tree import readable
from ..inputs import Source
from ..output_path import check_output_path
from ..ownership import relation
from ..web import Address
from .sources import Inputs

LONGEST = 100  # characters of a file's name, without what it ends in
UNNAMED = "input"  # what has no file: a text, standard input


def read_by(inputs: Iterable[Inputs]) -> list[object]:
    """All folders and files that a command was given, as `check_output_path` takes them."""
    return [place for group in inputs for place in (group.folder, *(content for _, content in group.sources)) if place]


@dataclass(frozen=True)
class OutputFiles:
    """Where to write a file for each input.

    Attributes:
        paths: The files, in the order of the inputs.
        overwrite: Whether one that is there is replaced.
    """

    paths: list[Path]
    overwrite: bool = False

    @classmethod
    def plan(
        cls,
        inputs: Sequence[Source],
        folder: str | Path,
        suffix: str,
        *,
        reads: Iterable[object] = (),
        overwrite: bool = False,
    ) -> OutputFiles:
        """Name the files, and refuse them before any work is done for them.

        Args:
            inputs: Each gives its name to a file; the second of two with one name has a 2 behind it.
            folder: Where they go; it is made with the first of them.
            suffix: What they end in.
            reads: What is read: the folder may neither be one of these folders nor lie in one, no file be one of these.
            overwrite: Replace files of these names.

        Raises:
            OutputError: The folder cannot be written, or something is there that may not be replaced.
        """
        place, reads = Path(folder), list(reads)
        for source in reads:
            how = relation(place, Path(source)) if isinstance(source, str | Path) and _is_folder(source) else ""
            if how in ("is", "lies in"):
                raise OutputError(f"{folder} {how} {readable(str(source))}, which is read; name another folder")
        there = next(one for one in (place.absolute(), *place.absolute().parents) if os.path.lexists(one))
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise OutputError(f"{folder} cannot be written; name a folder in one that exists and is yours")
        paths = [place / name for name in _names(inputs, suffix)]
        if there == place.absolute():
            for path in paths:
                check_output_path(path, (), reads=reads, overwrite=overwrite)
        return cls(paths, overwrite)

    def place(self, number: int) -> Path:
        """Where the file of an input belongs, in a folder that is there."""
        path = self.paths[number]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
        return path


def _names(inputs: Sequence[Source], suffix: str) -> Iterator[str]:
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    for _, content in inputs:
        stem = name = _stem(content)
        while name.lower() in taken:  # some disks take A.png for a.png
            numbers[stem] += 1
            name = f"{stem}-{numbers[stem] + 1}"
        taken.add(name.lower())
        yield name + suffix


def _stem(content: object) -> str:
    if isinstance(content, Address):
        stem = unquote(PurePosixPath(urlsplit(content.url).path).stem)
    else:
        stem = content.stem if isinstance(content, Path) else ""
    return readable(stem.replace(os.sep, "-").lstrip(".")[:LONGEST]) or UNNAMED


def _is_folder(source: str | Path) -> bool:
    try:
        return Path(source).is_dir()
    except OSError:  # a text that is too long for a name
        return False
