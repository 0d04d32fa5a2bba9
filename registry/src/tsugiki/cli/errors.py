"""The error of a command line that is put together wrongly, without typer."""

from __future__ import annotations

from ..errors import OptionError

USAGE_ERROR = 2


class UsageError(OptionError):
    """Arguments or options that do not go together; the exit code is 2."""

    exit_code = USAGE_ERROR
