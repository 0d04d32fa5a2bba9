"""Runs a command's function through typer; the function's docstring is its help.

A command is a plain function with typer's annotations. Its docstring's first line is the summary, and a section
``Example:`` is shown below the options. It may return an exit code. Plugins' commands run the same way.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from ..errors import PluginError
from ..registry import import_string
from .commands import Command
from .errors import InterruptedCommandError

Debug = Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")]


def invoke(command: Command, name: str, arguments: Sequence[str]) -> int:
    """Import a command and run it.

    Args:
        command: Which one.
        name: As the user wrote it, for the help page.
        arguments: What follows the name on the command line.

    Returns:
        The exit code.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    own = add_command(app, command)
    code = (own or app)(list(arguments), prog_name=f"tsugiki {name}", standalone_mode=False)
    return code if isinstance(code, int) else 0


def add_command(app: typer.Typer, command: Command, name: str | None = None) -> typer.Typer | None:
    """Import a command and add it to an application.

    Args:
        app: The application.
        command: Which one.
        name: What it is called there; None where it is the only one.

    Returns:
        The command where it is an application of its own, and could not be the only one of another.
    """
    function = _import(command)
    if isinstance(function, typer.Typer):
        if name is not None:
            app.add_typer(function, name=name)
        return function
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
    if command.takes_fields:
        settings |= {"ignore_unknown_options": True, "allow_extra_args": True}
    text, example = split_docstring(function)
    epilog = "Example:\n\n\b\n" + textwrap.indent(example, "  ") if example else None
    app.command(name, help=text, epilog=epilog, context_settings=settings)(_with_debug(function))
    return None


def split_docstring(function: Callable[..., Any]) -> tuple[str, str]:
    """A docstring's text and the body of its ``Example:`` section, dedented."""
    text, _, example = (inspect.getdoc(function) or "").partition("\nExample:\n")
    return text.strip(), textwrap.dedent(example).strip()


def _import(command: Command) -> Any:
    if not command.plugin:
        return import_string(command.reference)
    try:
        return import_string(command.reference)
    except Exception as error:
        raise PluginError(
            f"plugin {command.plugin} cannot import {command.reference}: {type(error).__name__}: {error}"
        ) from error


def _with_debug(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with an option ``--debug``, which `main` has read already."""
    signature = inspect.signature(function, eval_str=True)
    if "debug" in signature.parameters:
        return function

    def wrapped(*, debug: bool = False, **values: Any) -> Any:
        try:
            return function(**values)
        except KeyboardInterrupt as error:  # typer would end the command without a word
            raise InterruptedCommandError from error

    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
    parameters = [*signature.parameters.values(), option]
    wrapped.__name__ = function.__name__
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped
