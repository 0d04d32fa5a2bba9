"""Progress: shown inside a command, on a terminal, and by nothing else."""

from __future__ import annotations

import io
import sys
import time

import pytest
from tsugiki import progress
from tsugiki.progress import above_bars, progress_bar, showing_progress, track


class Terminal(io.StringIO):
    """What writes to a person."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Gives a terminal that stands for standard error; called in the test, since pytest sets its own before that."""
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "_TICK", 0.01)

    def make():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return make


def test_a_library_call_shows_nothing(terminal):
    screen = terminal()
    assert list(track(range(3), "rows")) == [0, 1, 2]
    assert screen.getvalue() == ""


def test_a_command_shows_a_bar_that_is_gone_when_it_ends(terminal):
    screen = terminal()
    with showing_progress():
        for _ in track([1, 2], "rows"):
            pass
    assert "rows:   0%" in screen.getvalue()
    assert screen.getvalue().endswith("\r")


def test_nothing_is_shown_where_standard_error_is_no_terminal(capsys):
    with showing_progress(), progress_bar("rows", 2) as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_a_command_without_a_bar_tells_how_long_it_works(terminal):
    screen = terminal()
    with showing_progress():
        deadline = time.monotonic() + 5
        while "working, 0 s" not in screen.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        with above_bars():
            assert screen.getvalue().endswith(f"\r{' ' * len('working, 0 s')}\r")
    assert "working, 0 s" in screen.getvalue()
