"""Outputs that are written whole or not at all, and in whose place nothing of another's is lost.

A folder is made in ``<output>.partial/``, which says in a record whose it is. It holds what a killed run continues from
and ``whole/``, which takes the output's place when it is complete. An old output that it replaces waits in ``old/``
until then; everything else is removed last. Whoever looks at ``<output>`` sees nothing or all of it, and a process that
is killed between two of these steps leaves one of them on record.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import OutputError
from .file_tree import readable
from .fingerprint import options_fingerprint
from .output_path import beside, refuse_existing
from .ownership import OLD, RECORD, WHOLE, new_record, read_record, relation

_FULL = (errno.ENOSPC, errno.EDQUOT)


def partial_path(output_dir: str | Path) -> Path:
    """Where an unfinished output lives: ``<output>.partial``."""
    output = Path(output_dir)
    return output.with_name(output.name + ".partial")


def check_output(
    output_dir: str | Path, *, foreign: Callable[[Path], str] | None = None, reads: Iterable[str | Path] = ()
) -> Path:
    """The folder to write as an absolute path, refused where something could be lost by it.

    Args:
        output_dir: The folder.
        foreign: Says why a folder that is there may not be replaced, in a text that is empty where it may, as
            `tsugiki.cards.snapshot_files.foreign_part` does; None replaces nothing.
        reads: Files and folders that are read: the output may neither be one of them, nor hold one, nor lie in one.

    Raises:
        OutputError: Something is there that may not be replaced, or the parent cannot be written.
    """
    output = Path(output_dir).absolute()
    for source in reads:
        if how := relation(output, Path(source)):
            raise OutputError(f"{output_dir} {how} {source}, which is read; name an output folder elsewhere")
    if output.is_symlink():
        raise OutputError(f"{output_dir} is a link; name a folder")
    if output.exists():
        _check_replaceable(output, foreign)
    parent = next(folder for folder in output.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError(f"{parent} cannot be written; name an output folder elsewhere")
    read_record(partial_path(output))
    return output


def _check_replaceable(output: Path, foreign: Callable[[Path], str] | None) -> None:
    for called, folder in (("the working directory", Path.cwd()), ("your home", Path.home())):
        if (how := relation(output, folder)) in ("is", "holds"):
            raise OutputError(f"{output} {how} {called}; name an output folder elsewhere")
    if output.is_dir() and (not any(output.iterdir()) or Unfinished(output).is_in_place):
        return
    if foreign is None:
        with contextlib.suppress(OSError):  # empty after the last but one step of a run that was killed there
            partial_path(output).rmdir()
        raise OutputError(f"{output} exists already; remove it or name another output folder")
    if reason := foreign(output) if output.is_dir() else "it is a file":
        raise OutputError(f"{output} is not replaced: {reason}. Name another output folder")


class Unfinished:
    """An output that is being made.

    Args:
        output: The folder that appears at the end, an absolute path.

    Attributes:
        output: Likewise.
        folder: ``<output>.partial``, where what a killed run continues from belongs.
        whole: What becomes the output.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = partial_path(output)
        self.whole = self.folder / WHOLE
        self._run: str | None = None

    @property
    def is_in_place(self) -> bool:
        """Whether the run that lies here was killed after its output had taken its place."""
        record = read_record(self.folder)
        return record is not None and record["whole"] and not self.whole.exists() and self.output.exists()

    def claim(self, run: Mapping[str, Any] | None, *, replace: bool) -> None:
        """Take over what an earlier part of the same run left, or begin.

        Args:
            run: What makes two runs the same; None continues nothing.
            replace: Remove what another run left.

        Raises:
            OutputError: Another run is unfinished, and not to be replaced.
        """
        self._run = None if run is None else options_fingerprint(run)
        record = read_record(self.folder)
        if record is not None:
            self._settle(record)
            if self._run is not None and record["run"] == self._run:
                return
            if record["run"] is not None and not (replace or self.is_in_place):
                raise OutputError(f"{self.folder} holds an unfinished run with other options; remove it to start anew")
            self.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_record(whole=False)

    def begin(self) -> Path:
        """`whole`, empty: what a killed process left there is removed."""
        self._write_record(whole=False)
        if self.whole.exists():
            shutil.rmtree(self.whole)
        self.whole.mkdir()
        return self.whole

    def put_in_place(self) -> None:
        """Let `whole` take the output's place; the old output stays until the new one is there."""
        self._write_record(whole=True)
        if self.output.exists():
            self.output.rename(self.folder / OLD)
        self.whole.rename(self.output)

    def remove(self) -> None:
        """Remove everything but the output; the record, by which it is known as ours, goes last."""
        if not self.folder.exists():
            return
        record = read_record(self.folder)
        if record is not None:
            self._settle(record)
            if record["run"] is not None and not self.is_in_place:
                self._run = None
                self._write_record(whole=False)  # half of a run is none to continue
        for path in self.folder.iterdir():
            if path.name != RECORD:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.folder / RECORD).unlink(missing_ok=True)
        self.folder.rmdir()

    def _settle(self, record: Mapping[str, Any]) -> None:
        """Where a process was killed while it replaced an output, let the new or the old one take the place."""
        old = self.folder / OLD
        if old.exists() and not self.output.exists():
            (self.whole if record["whole"] and self.whole.exists() else old).rename(self.output)

    def _write_record(self, *, whole: bool) -> None:
        write_json(self.folder / RECORD, new_record(self._run, whole=whole))


@contextlib.contextmanager
def unfinished_output(
    output_dir: str | Path,
    *,
    run: Mapping[str, Any] | None = None,
    foreign: Callable[[Path], str] | None = None,
    reads: Iterable[str | Path] = (),
    replace: bool = False,
    keep: Callable[[Path], bool] = lambda folder: False,
) -> Iterator[Unfinished]:
    """Make a folder of what lies in `Unfinished.whole` at the end, and nothing where that fails.

    Args:
        output_dir: The folder that appears at the end.
        run: What makes two runs the same, so that a later one continues.
        foreign: As `check_output` takes it.
        reads: Likewise.
        replace: Remove what an unfinished run with another `run` left, instead of refusing.
        keep: Asked with ``<output>.partial`` after a failure: True leaves it, so that the same command can continue.
            What a full disk broke is never kept.

    Yields:
        The output; where it `is_in_place` already, nothing is written.

    Raises:
        OutputError: Something is there that may not be replaced, or the disk is full.
    """
    reads = list(reads)
    place = Unfinished(check_output(output_dir, foreign=foreign, reads=reads))
    place.claim(run, replace=replace or foreign is not None)
    try:
        check_output(output_dir, foreign=foreign, reads=reads)
        yield place
        if not place.is_in_place:
            check_output(output_dir, foreign=foreign, reads=reads)
            place.put_in_place()
        place.remove()
    except BaseException as error:
        full = is_disk_full(error)
        if full or not keep(place.folder):
            place.remove()
        else:
            error.add_note(f"the same command continues it from {readable(place.folder)}")
        if full:
            raise OutputError(f"no space left on the disk for {output_dir}; nothing was written") from error
        raise


@contextlib.contextmanager
def atomic_folder(output_dir: str | Path, *, reads: Iterable[str | Path] = ()) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Args:
        output_dir: The folder that appears at the end.
        reads: As `check_output` takes it.

    Yields:
        An empty folder, which takes its place.

    Raises:
        OutputError: Something is there that may not be replaced, or the disk is full.
    """
    with unfinished_output(output_dir, reads=reads) as place:
        yield place.begin()


def discard(folder: Path) -> None:
    """Remove a folder that something could continue from, so that it is there whole or not at all."""
    aside = folder.with_name(f".{folder.name}.discarded")
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside)


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, or one it came from, says that no space is left."""
    seen: BaseException | None = error
    while seen is not None:
        if (isinstance(seen, OSError) and seen.errno in _FULL) or "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' own progress bars, such as the one of ``save_pretrained``, out of ours."""
    from transformers.utils import logging

    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


@contextlib.contextmanager
def atomic_file(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Write a file whole or not at all.

    Args:
        path: The file. An old one stays until the new one is whole.
        overwrite: Whether an old one is replaced at all; functions that write where a person says ask for False.

    Yields:
        The file beside it to write to, which takes its place at the end.

    Raises:
        OutputError: The file is there and not to be replaced, the disk is full, or the folder cannot be written.
    """
    target = Path(path)
    refuse_existing(target, overwrite=overwrite)
    partial = beside(target)
    try:
        partial.unlink(missing_ok=True)  # what a killed run left, or a link that would be written through
        yield partial
        refuse_existing(target, overwrite=overwrite)  # another program may have been quicker
        partial.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the folder itself may be missing, or be a file
            partial.unlink(missing_ok=True)
        if is_disk_full(error):
            raise OutputError(f"cannot write {path}: no space left on the disk") from error
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        raise


def write_bytes(path: str | Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write a file whole or not at all; see `atomic_file`."""
    with atomic_file(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)


def write_text(path: str | Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file in UTF-8 whole or not at all; see `atomic_file`."""
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite)


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON whole or not at all, indented, with a newline at the end."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
