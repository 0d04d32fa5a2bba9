"""Progress on standard error: shown while a command works in a terminal, by nothing else.

What takes long says so once, with `track` or `progress_bar`; whether that is seen is up to the caller of it all. A
command that has no bar to show tells after two seconds how long it has been at work.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

PATIENCE = 2.0  # seconds until a command without a bar says that it works
DELAY = 1.0  # seconds until a bar appears: what is done sooner needs none
_TICK = 0.5
_shown: ContextVar[bool] = ContextVar("progress is shown", default=False)
_line = ""  # what the clock has written and nobody has erased


@contextlib.contextmanager
def showing_progress() -> Iterator[None]:
    """Show the bars of all that is done in here, and a clock where there is none, if standard error is a terminal."""
    token = _shown.set(True)
    stop = threading.Event()
    clock = threading.Thread(target=_tick, args=(stop,), daemon=True) if sys.stderr.isatty() else None
    if clock is not None:
        clock.start()
    try:
        yield
    finally:
        _shown.reset(token)
        stop.set()
        if clock is not None:
            clock.join()
        _erase()


def progress_bar(title: str, total: int | None = None, *, unit: str = "row") -> tqdm[Any]:
    """A bar to be moved by hand with ``update(n)`` and closed, best in a ``with``.

    Args:
        title: What is being done.
        total: How many there are, if that is known.
        unit: What one of them is called.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        dynamic_ncols=True,
        leave=False,
        delay=DELAY,
        disable=None if _shown.get() else True,  # None: where standard error is no terminal
    )


def track(items: Iterable[Item], title: str, *, total: int | None = None, unit: str = "row") -> Iterator[Item]:
    """The items, one after the other, with a bar that moves when the next is asked for.

    Args:
        items: Anything to go through.
        title: See `progress_bar`.
        total: How many there are; by default their length, where they have one.
        unit: See `progress_bar`.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(title, total, unit=unit) as bar:
        for item in items:
            yield item
            bar.update()


@contextlib.contextmanager
def above_bars() -> Iterator[None]:
    """Print in here; the bars make room and come again below."""
    _erase()
    if "tqdm" not in sys.modules:
        yield
        return
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        yield


def _tick(stop: threading.Event) -> None:
    global _line
    started = time.monotonic()
    while not stop.wait(_TICK):
        seconds = time.monotonic() - started
        if seconds >= PATIENCE and not _bars():
            line = f"working, {seconds:.0f} s"
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()
            _line = line


def _bars() -> bool:
    """Whether any bar is open, whoever opened it."""
    library = sys.modules.get("tqdm.std")
    return library is not None and bool(getattr(library.tqdm, "_instances", None))


def _erase() -> None:
    global _line
    if _line:
        sys.stderr.write(f"\r{' ' * len(_line)}\r")
        sys.stderr.flush()
        _line = ""
