"""Where a command writes one file, refused before any work is done for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import OutputError
from .file_tree import readable
from .ownership import relation

PNG = (".png",)


def check_output_path(
    output: str | Path,
    suffixes: Sequence[str] = PNG,
    *,
    reads: Iterable[object] = (),
    overwrite: bool = False,
    what: str = "the picture is a PNG file",
) -> Path:
    """The path of a file to write.

    Args:
        output: Where it goes.
        suffixes: What its name may end in; none where any name will do.
        reads: What is read: the output may neither be one of these files, nor lie in one of these folders. Whatever is
            no path of a file or folder, such as the name of an installed model, is passed over.
        overwrite: Replace a file that is there.
        what: What it is, for messages.

    Raises:
        OutputError: The name ends in something else, the folder is missing or cannot be written, or something is there
            that may not be replaced.
    """
    path = Path(output)
    if suffixes and path.suffix.lower() not in suffixes:
        names = " or ".join(f"something{suffix}" for suffix in suffixes)
        raise OutputError(f"{what}: name the output {names}, not {output}")
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK) or not _can_be_named(beside(path)):
        raise OutputError(f"{output} cannot be written; name a file in a folder that exists and is yours")
    for source in reads:
        if isinstance(source, str | Path) and (how := _relation(path, Path(source))):
            raise OutputError(f"{output} {how} {readable(source)}, which is read; name another output")
    if path.is_symlink():
        raise OutputError(f"{output} is a link; name a file")
    if path.exists() and not path.is_file():
        raise OutputError(f"{output} is a device or a pipe; name a file")
    refuse_existing(path, overwrite=overwrite)
    return path


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse to write where something is, unless it is to be replaced.

    Raises:
        OutputError: Something is there.
    """
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{path} exists already; name another file, or replace it with --overwrite (overwrite=True)")


def beside(path: Path) -> Path:
    """Where a file is made that takes the place of `path` when it is whole."""
    return path.with_name(f".{path.name}.partial")


def _can_be_named(path: Path) -> bool:
    """Whether a file of this name can be; one whose name is too long for the disk cannot."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _relation(path: Path, source: Path) -> str:
    """How a file to write stands to what is read: ``is``, ``lies in``, or nothing."""
    try:
        if source.is_dir():
            return relation(path, source)
        return "is" if path.exists() and source.exists() and path.samefile(source) else ""
    except OSError:  # a text that is too long for a name
        return ""
