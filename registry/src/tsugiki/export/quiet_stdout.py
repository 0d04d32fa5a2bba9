"""Keeping standard output clean of what libraries print past Python: torch prints its graph when an export fails."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Drop whatever is written to standard output's file descriptor, by compiled code too."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:  # it is closed: nothing can be written to it
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        _flush_c()  # what C keeps back would come out afterwards
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def _flush_c() -> None:
    with contextlib.suppress(OSError, AttributeError):  # no C library by this name
        ctypes.CDLL(None).fflush(None)
