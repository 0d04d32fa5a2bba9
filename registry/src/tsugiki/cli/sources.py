"""What the words of a command line stand for: files, folders, patterns, addresses, standard input, or plain words."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..columns import Role, check_roles, find_column, read_column
from ..errors import DataError
from ..file_tree import EMPTY_FOLDER, FileCount, listed_files, readable, walk
from ..heic import heic_hint
from ..inputs import InputKind, Source, looks_like_file
from ..web import Address, is_address
from .output import note

if TYPE_CHECKING:
    from ..task import Task

STANDARD_INPUT = "-"

InputWords = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Files, folders, patterns such as 'scans/**/*.png', addresses, - for standard input, or texts.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Inputs:
    """What one word of a command line stands for.

    Attributes:
        sources: A label for each input, and its path, its bytes, or the word itself; a DataError in place of a content
            says why that one cannot be read.
        folder: The folder that they were found in.
        left_out: Files of the folder that no model could read, by reason.
    """

    sources: list[Source]
    folder: Path | None = None
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def of_kind(self, kind: InputKind, read_table: Callable[[Path], list[Any]] | None = None) -> list[Source]:
        """Those that a model can read; says of a folder which files are left out.

        Args:
            kind: What it reads.
            read_table: See `InputKind.find`.

        Raises:
            DataError: There is none.
        """
        found = kind.find(self.sources, read_table)
        if self.folder is None:
            return found
        left_out = dict(self.left_out)
        if not kind.by_line and (names := {name for name, _ in self.sources} - {name for name, _ in found}):
            paths = [path for name, path in self.sources if name in names]
            reason = f"not {kind.called} that can be opened, by the suffix{heic_hint(paths)}"
            left_out[reason] = [readable(path.relative_to(self.folder).as_posix()) for path in paths]
        if left_out:
            read = len(self.sources) if kind.by_line else len(found)
            note(f"tsugiki: {FileCount(self.folder, {'inputs': read}, left_out)}")
        return found


def find_inputs(words: Sequence[str]) -> list[Inputs]:
    """The inputs behind each word of a command line.

    A pattern such as ``*.jpg`` that the shell has left alone stands for the files and folders that it matches, in
    natural order; a file whose name has such signs is that file.

    Raises:
        DataError: There is nothing to read in a word, and it is the only one. Among several it is one input that
            cannot be read.
    """
    found: list[Inputs] = []
    for number, word in enumerate(words, start=1):
        try:
            found += _behind(word)
        except DataError as error:
            if len(words) == 1:
                raise
            found.append(Inputs([(readable(word), error if word.strip() else DataError(f"input {number} is empty"))]))
    return found


def inputs_of_kind(
    inputs: Iterable[Inputs], kind: InputKind, read_table: Callable[[Path], list[Any]] | None = None
) -> list[Source]:
    """All that a model can read of what `find_inputs` gives; see `Inputs.of_kind`.

    Raises:
        DataError: There is nothing that it can read.
    """
    groups = list(inputs)
    found: list[Source] = []
    for group in groups:
        try:
            found += group.of_kind(kind, read_table)
        except DataError as error:
            if len(groups) == 1:
                raise
            name = group.sources[0][0] if group.folder is None else readable(group.folder)
            found.append((name, error))
    return found


def rows_of(task: Task, columns: Mapping[str, str] | None) -> Callable[[Path], list[Any]]:
    """What reads a table's inputs for a task, as `inputs_of_kind` takes it; see `Task.table_inputs`."""

    def read(path: Path) -> list[Any]:
        from ..data.load_data import load_split

        return task.table_inputs(load_split(path, None), columns)

    return read


def column_of(
    role: Role, called: str, columns: Mapping[str, str] | None, *, command: str
) -> Callable[[Path], list[Any]]:
    """What reads a table's inputs for a command that has no task, as `inputs_of_kind` takes it: those of one column.

    Args:
        role: What the column holds.
        called: Its name in `columns`.
        columns: As the user named it; found when None.
        command: How a message calls the command.
    """

    def read(path: Path) -> list[Any]:
        from ..data.load_data import load_split

        dataset = load_split(path, None)
        check_roles(columns, (called,), task=command)
        return read_column(dataset, find_column(dataset, called, role, columns))

    return read


def _behind(word: str) -> list[Inputs]:
    if word == STANDARD_INPUT:
        content = sys.stdin.buffer.read()
        if not content:
            raise DataError("standard input is empty; pipe a file into it or name one")
        return [Inputs([("standard input", content)])]
    if is_address(word):
        return [Inputs([(word, Address(word))])]
    if not word.strip():
        raise DataError("the input is empty; name a file, a folder, or give a text")
    if (place := _at(word)) is not None:
        return [place]
    if glob.has_magic(word) and (matches := _matches(word)):
        return [place for match in matches if (place := _at(match)) is not None]
    if looks_like_file(word):
        raise DataError(f"no file matches {word}" if glob.has_magic(word) else f"no such file or folder: {word}")
    return [Inputs([(word, word)])]  # a text, if the model takes texts


def _at(word: str) -> Inputs | None:
    """The file of this name, or those of the folder; None where there is neither."""
    path = Path(word)
    try:
        if path.is_file():
            return Inputs([(readable(word), path)])
        return _in_folder(path) if path.is_dir() else None
    except OSError:  # longer than the name of any file
        return None


def _matches(pattern: str) -> list[str]:
    """What a pattern stands for, in natural order; what is hidden, and what lies in a folder that matches, is not."""
    from ..snapshots.listing import natural_key

    parts = Path(pattern).parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base, rest = Path(*parts[:plain]), parts[plain:]
    try:
        found = set(base.glob(str(Path(*rest))))
    except (OSError, ValueError):  # no pattern of names: longer than any, or with ** inside one
        return []
    hidden = any(part.startswith(".") for part in rest)
    kept = [
        path
        for path in found
        if found.isdisjoint(path.parents)
        and (hidden or not any(part.startswith(".") for part in path.relative_to(base).parts))
    ]
    return sorted(map(str, kept), key=lambda name: natural_key(readable(name)))


def _in_folder(path: Path) -> Inputs:
    """All files below a folder, in natural order.

    Raises:
        DataError: There is none.
    """
    from ..snapshots.listing import natural_key

    left_out: dict[str, list[str]] = {}
    found: list[Source] = []
    for file in walk(path):
        if not file.reason:
            found.append((readable(file.path), file.path))
        elif file.reason != EMPTY_FOLDER:
            left_out.setdefault(file.reason, []).append(readable(file.path.relative_to(path).as_posix()))
    if not found:
        raise DataError(
            f"there are no files in the folder {readable(path)}" + (f" but {listed_files(left_out)}" * bool(left_out))
        )
    return Inputs(sorted(found, key=lambda named: natural_key(named[0])), path, left_out)
