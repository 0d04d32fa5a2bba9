"""A file for each input of a command, in one folder: what was seen in each picture, each photograph painted."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TextIO
from urllib.parse import unquote, urlsplit

import typer

from ..errors import DataError, OutputError
from ..file_tree import readable
from ..inputs import InputKind, Source
from ..output_path import check_output_path
from ..ownership import relation
from ..progress import above_bars, track
from ..web import Address
from .errors import UsageError
from .output import json_list, note, print_json
from .sources import Inputs

LONGEST = 100  # characters of a file's name, without what it ends in
UNNAMED = "input"  # what has no file: a text, standard input
OutputFolder = Annotated[
    str | None,
    typer.Option("--output-dir", metavar="DIR", help="A folder for the pictures, where there are several inputs."),
]
_LINE = re.compile(r"(.+):(\d+)", re.DOTALL)  # the place of a line in its file


def read_by(inputs: Iterable[Inputs]) -> list[object]:
    """All folders and files that a command was given, as `check_output_path` takes them."""
    return [place for group in inputs for place in (group.folder, *(content for _, content in group.sources)) if place]


@dataclass(frozen=True)
class OutputFiles:
    """Where to write a file for each input.

    Attributes:
        paths: The files, in the order of the inputs.
        overwrite: Whether one that is there is replaced.
        kind: What the inputs of `write_each` are.
        single: The only input, opened, where the file was not named by a folder.
        is_folder: Whether they were named by their folder.
    """

    paths: list[Path]
    overwrite: bool = False
    kind: InputKind | None = None
    single: Any = None
    is_folder: bool = True

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

    @classmethod
    def of_options(
        cls,
        inputs: Sequence[Source],
        output: str | None,
        output_dir: str | None,
        *,
        kind: InputKind,
        usual: str,
        reads: Iterable[object] = (),
        overwrite: bool = False,
    ) -> OutputFiles:
        """One PNG file, or a folder of them, as ``--output`` and ``--output-dir`` say.

        Args:
            inputs: What a file is made of each.
            output: The file; None where the option is not given.
            output_dir: The folder; likewise.
            kind: What the inputs are; one alone is opened at once, before anything heavy is loaded for it.
            usual: The file where neither is given; several go into a folder of that name without its ending.
            reads: See `plan`.
            overwrite: Replace what is there.

        Raises:
            DataError: The only input cannot be opened.
            UsageError: Both are given, or one file for several inputs.
            OutputError: Something cannot be written there, or is there and may not be replaced.
        """
        if output is not None and (output_dir is not None or len(inputs) > 1):
            why = f"there are {len(inputs)} inputs" if output_dir is None else "--output-dir names a folder of them"
            raise UsageError(f"--output names one file, and {why}; leave it out")
        if output_dir is None and len(inputs) < 2:
            path = check_output_path(output or usual, reads=reads, overwrite=overwrite)
            return cls([path], overwrite, kind, _opened(kind, *inputs[0]), is_folder=False)
        plan = cls.plan(inputs, output_dir or Path(usual).stem, ".png", reads=reads, overwrite=overwrite)
        return replace(plan, kind=kind)

    def place(self, number: int) -> Path:
        """Where the file of an input belongs, in a folder that is there."""
        path = self.paths[number]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
        return path

    def write_each(
        self,
        inputs: Sequence[Source],
        make: Callable[[str, Any, Path], dict[str, Any]],
        show: Callable[[dict[str, Any]], None],
        *,
        json: bool,
        file: TextIO,
        title: str,
    ) -> int:
        """Make the files one by one, each told of as soon as it is there.

        Args:
            inputs: As they were planned for.
            make: Writes one file. Given an input's name, the input as its kind opens it and the file, it returns what
                there is to say of it; a DataError leaves the input out, where it is not the only one.
            show: Prints that as text.
            json: Whether it is printed as JSON in place of that: a list of all where they are in a folder.
            file: Standard output.
            title: What is being done, for the progress bar.

        Returns:
            The exit code: 1 where an input was left out.
        """
        if not self.is_folder:
            facts = make(inputs[0][0], self.single, self.place(0))
            print_json(facts, file) if json else show(facts)
            return 0
        failed, made = False, not self.paths[0].parent.exists()
        with json_list(file) if json else contextlib.nullcontext(show) as told:
            for number, (label, content) in enumerate(track(inputs, title, unit="input")):
                try:
                    facts = make(label, _opened(self.kind, label, content), self.place(number))
                except DataError as error:
                    failed = True
                    note(f"tsugiki: {error}")
                    facts = {"input": label, "error": str(error)}
                    if not json:
                        continue
                with above_bars():
                    told(facts)
                    file.flush()
        if made:
            with contextlib.suppress(OSError):  # it holds files
                self.paths[0].parent.rmdir()
        return 1 if failed else 0


def _opened(kind: InputKind | None, label: str, content: Any) -> Any:
    return content if kind is None or content is None else kind.read(content, label)


def _names(inputs: Sequence[Source], suffix: str) -> Iterator[str]:
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    for label, content in inputs:
        stem = name = _stem(label, content)
        while name.lower() in taken:  # some disks take A.png for a.png
            numbers[stem] += 1
            name = f"{stem}-{numbers[stem] + 1}"
        taken.add(name.lower())
        yield name + suffix


def _stem(label: str, content: object) -> str:
    if isinstance(content, Address):
        stem = unquote(PurePosixPath(urlsplit(content.url).path).stem)
    elif isinstance(content, Path):
        stem = content.stem
    elif label != content and (place := _LINE.fullmatch(label)):
        stem = f"{Path(place[1]).stem}-{place[2]}"
    else:
        stem = ""
    return readable(stem.replace(os.sep, "-").lstrip(".")[:LONGEST]) or UNNAMED


def _is_folder(source: str | Path) -> bool:
    try:
        return Path(source).is_dir()
    except OSError:  # a text that is too long for a name
        return False
