"""How a command can end early, without typer."""

from __future__ import annotations

from ..errors import OptionError

USAGE_ERROR = 2


class UsageError(OptionError):
    """Arguments or options that do not go together; the exit code is 2."""

    exit_code = USAGE_ERROR


class InterruptedCommandError(Exception):
    """A command that Ctrl-C ended; the interrupt is its cause, with notes on how the command goes on."""
