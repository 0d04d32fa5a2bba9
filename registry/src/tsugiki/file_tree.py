"""All files below a folder, and what became of each: read, or left out for a reason that is told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

EMPTY_FOLDER = "an empty folder"
_SHOWN = 20  # files or patterns of a reason that a message names


@dataclass(frozen=True)
class FoundFile:
    """A file below a folder, and why it cannot be read whatever it should hold; empty where nothing is against it."""

    path: Path
    reason: str = ""


def walk(folder: str | Path) -> Iterator[FoundFile]:
    """All files below a folder, sorted, through links to folders too; a folder that is empty comes with that reason."""
    return _walk(Path(folder), (os.path.realpath(folder),), "")


def _walk(folder: Path, above: tuple[str, ...], reason: str) -> Iterator[FoundFile]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield FoundFile(folder, f"cannot be opened ({error.strerror})")
        return
    if not paths and not reason and len(above) > 1:
        yield FoundFile(folder, EMPTY_FOLDER)
    for path in paths:
        why = reason or ("hidden" if path.name.startswith(".") else "")
        if path.is_dir():
            real = os.path.realpath(path)
            if real in above:
                yield FoundFile(path, "a link to a folder that it lies in")
            else:
                yield from _walk(path, (*above, real), why)
        elif path.is_file():
            yield FoundFile(path, why)
        else:
            yield FoundFile(path, why or ("a link to nothing" if path.is_symlink() else "no regular file"))


class FileSorting:
    """The files below a folder while a reader sorts them.

    Args:
        folder: The folder.

    Attributes:
        folder: Likewise.
        paths: Files that nothing is against.
        empty: Folders below it that are empty.
        left_out: Paths relative to the folder of files that are not read, by reason.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.paths: list[Path] = []
        self.empty: list[Path] = []
        self.left_out: dict[str, list[str]] = {}
        for file in walk(self.folder):
            if file.reason == EMPTY_FOLDER:
                self.empty.append(file.path)
            elif file.reason:
                self.leave_out([file.path], file.reason)
            else:
                self.paths.append(file.path)

    def parts(self, path: Path) -> tuple[str, ...]:
        """The parts of a path below the folder."""
        return path.relative_to(self.folder).parts

    def relative(self, path: Path) -> str:
        """A path below the folder as text."""
        return readable(path.relative_to(self.folder).as_posix())

    def leave_out(self, paths: Iterable[Path], reason: str) -> None:
        """Note that files are not read."""
        for path in paths:
            self.left_out.setdefault(reason, []).append(self.relative(path))


@dataclass(frozen=True)
class FileCount:
    """What became of the files of a folder.

    Attributes:
        folder: The folder.
        read: Number of files that are read, by split.
        left_out: Paths relative to the folder of those that are not, by reason.
        nested: Folders inside those of classes, whose files count for the class.
        note: What else there is to say.
    """

    folder: Path
    read: Mapping[str, int]
    left_out: Mapping[str, Sequence[str]]
    nested: Sequence[str] = field(default=())
    note: str = ""

    @property
    def numbers(self) -> dict[str, int]:
        """How many were found, read and left out."""
        read, left_out = sum(self.read.values()), sum(len(paths) for paths in self.left_out.values())
        return {"found": read + left_out, "read": read, "left_out": left_out}

    def __str__(self) -> str:
        numbers = {name: f"{number:,}" for name, number in self.numbers.items()}
        line = f"{readable(self.folder.name)}: {numbers['found']} files found, {numbers['read']} read"
        if len(self.read) > 1:
            line += f" ({', '.join(f'{split} {count:,}' for split, count in self.read.items())})"
        if self.left_out:
            line += f", {numbers['left_out']} left out: {listed_files(self.left_out)}"
        if self.nested:
            line += f"; what lies in {_shortened(self.nested)} counts for the class above it"
        return f"{line}; {self.note}" if self.note else line


def listed_files(left_out: Mapping[str, Sequence[str]]) -> str:
    """Files by the reason why they are left out; those of one folder that end alike together, ``owl/*.HEIC (8)``."""
    parts = []
    for reason, paths in left_out.items():
        groups: dict[str, list[str]] = {}
        for path in paths:
            file = PurePosixPath(path)
            groups.setdefault(str(file.parent / f"*{file.suffix}"), []).append(path)
        names = [group[0] if len(group) == 1 else f"{name} ({len(group):,})" for name, group in groups.items()]
        parts.append(f"{_shortened(names)}: {reason}")
    return "; ".join(parts)


def readable(path: str | Path) -> str:
    """A path as text that any terminal prints and any file holds: bytes that are no UTF-8 are written as ``\\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
