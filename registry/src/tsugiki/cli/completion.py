"""Completion in the shell: typer's own, for an application that imports the command that is typed and no other."""

from __future__ import annotations

import os
from collections.abc import Sequence

import typer

from ..registry import registry
from .commands import COMMANDS, Command
from .invoke import add_command
from .summaries import summary_of


def complete(words: Sequence[str]) -> int:
    """Answer the shell, or print or install what lets it ask.

    Args:
        words: The command line; empty where the shell asks, whose own variables hold what is typed.

    Returns:
        The exit code.
    """
    typed = f"{os.environ.get('COMP_WORDS', '')} {os.environ.get('_TYPER_COMPLETE_ARGS', '')}".split()
    app = typer.Typer(add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_nothing)
    for name, command in _commands().items():
        if name in typed:
            add_command(app, command, name)
        else:
            app.command(name, help=command.summary or summary_of(command.reference))(_nothing)
    try:
        app(list(words), prog_name="tsugiki")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _commands() -> dict[str, Command]:
    found = {name: Command("", reference, plugin=owner) for name, (owner, reference) in registry().commands().items()}
    return found | COMMANDS


def _nothing() -> None:
    """Small, installable model plugins for the Hugging Face stack."""
