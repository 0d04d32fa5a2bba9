"""Processes that are killed at a file operation: a fork of this one, so that a kill costs no start of Python."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch  # here, and not anew in every fork

KILLED = 77
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class FileOperations:
    """Counts what this process does to files below a folder, and ends it at one of them.

    A file that is opened to write counts twice: the process may end before, and when the file is there and empty; what
    a library writes in a language of its own counts twice as well: not at all, and half.

    Args:
        root: The folder.
        last: The number of the operation, from 0, that is not done any more; None is never.
    """

    def __init__(self, root: Path, last: int | None = None) -> None:
        self.root, self.last, self.count, self.on = str(root), last, 0, True

    def step(self, half: Callable[[], Any] | None = None) -> None:
        """One operation: ends the process if it is the last one, after having done half of it."""
        if self.count == self.last:
            if half is not None:
                self.on = False
                half()
            os._exit(KILLED)
        self.count += 1

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """For `sys.addaudithook`."""
        if not self.on:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and flags & _WRITES and self._is_ours(path):
                self.step()
                if flags & os.O_TRUNC and not Path(os.fsdecode(path)).is_dir():  # tempfile opens the folder by name
                    self.step(lambda: os.close(os.open(path, flags, 0o644)))
        elif event in _CHANGES and (self._is_ours(arguments[0]) or arguments[-1] not in (-1, None)):
            self.step()

    def _is_ours(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.root)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count from here on; only for a process that ends afterwards, for hooks are never taken back."""

        def wrapped(save: Callable[..., Any], position: int) -> Callable[..., Any]:
            def saving(*given: Any, **named: Any) -> Any:
                path = given[position] if len(given) > position else named.get("filename", named.get("f"))
                if not (self.on and self._is_ours(path)):
                    return save(*given, **named)

                def half() -> None:
                    save(*given, **named)
                    os.truncate(path, Path(path).stat().st_size // 2)

                self.step()
                self.step(half)
                return save(*given, **named)

            return saving

        safetensors.torch.serialize_file = wrapped(safetensors.torch.serialize_file, 1)
        torch.save = wrapped(torch.save, 1)
        sys.addaudithook(self.hook)
        yield
        self.on = False


def in_fork(work: Callable[[], object]) -> tuple[int, int]:
    """Do work in a fork of this process.

    Returns:
        The exit status, 0 where it ended, `KILLED` where it was killed, 1 where it failed, and what `work` returned if
        that is a number.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            found = work()
            os.write(writer, str(found if isinstance(found, int) else 0).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(text or 0)


def killed_at(number: int | None, root: Path, work: Callable[[], object]) -> tuple[int, int]:
    """Do work in a fork that is killed at one of its file operations below a folder.

    Args:
        number: Of the operation; None is never.
        root: The folder.
        work: The work.

    Returns:
        The exit status, as `in_fork` gives it, and the number of operations where the work ended.
    """

    def counted() -> int:
        operations = FileOperations(root, number)
        with operations.counted():
            work()
        return operations.count

    return in_fork(counted)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
