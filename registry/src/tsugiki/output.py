"""Outputs that are written whole or not at all.

A run lives in ``<output>.partial/`` and is renamed at the end. Whoever looks at ``<output>`` sees nothing or all of it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def partial_path(output_dir: str | Path) -> Path:
    """Where an unfinished output lives: ``<output>.partial``."""
    output = Path(output_dir)
    return output.with_name(output.name + ".partial")


def check_output(output_dir: str | Path, *, overwrite: bool = False) -> Path:
    """The output as an absolute path, refused when something is there already.

    Raises:
        OutputError: It exists and is not an empty folder, or its parent cannot be written.
    """
    output = Path(output_dir).absolute()
    if output.exists() and not overwrite and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output_dir} exists already; remove it or name another output folder")
    parent = next(folder for folder in output.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError(f"{parent} cannot be written; name an output folder elsewhere")
    return output


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, or one it came from, says that no space is left."""
    seen: BaseException | None = error
    while seen is not None:
        if (isinstance(seen, OSError) and seen.errno in _FULL) or "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextlib.contextmanager
def atomic_folder(
    output_dir: str | Path,
    *,
    overwrite: bool = False,
    keep_partial: Callable[[Path], bool] = lambda partial: False,
) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Args:
        output_dir: The folder that appears at the end.
        overwrite: Replace one that is there.
        keep_partial: Asked with ``<output>.partial`` after a failure: True leaves it, so that the same command can
            continue. What a full disk broke is never kept.

    Yields:
        ``<output>.partial``, which may hold what an earlier, killed run left.

    Raises:
        OutputError: The output exists already, or the disk is full.
    """
    output = check_output(output_dir, overwrite=overwrite)
    partial = partial_path(output)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        yield partial
        _replace(partial, output)
    except BaseException as error:
        full = is_disk_full(error)
        if full or not keep_partial(partial):
            shutil.rmtree(partial, ignore_errors=True)
        if full:
            raise OutputError(f"no space left on the disk for {output_dir}; nothing was written") from error
        raise


def _replace(partial: Path, output: Path) -> None:
    """Rename, with the old output moved aside first and removed last."""
    if not output.exists():
        partial.rename(output)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    output.rename(aside / "old")
    partial.rename(output)
    shutil.rmtree(aside, ignore_errors=True)


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
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields:
        The file beside it to write to, which takes its place at the end.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the folder itself may be missing, or be a file
            partial.unlink(missing_ok=True)
        if is_disk_full(error):
            raise OutputError(f"cannot write {path}: no space left on the disk") from error
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        raise


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    with atomic_file(path) as partial:
        partial.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8 whole or not at all.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON whole or not at all, indented, with a newline at the end."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
