"""`tsugiki <command>`: finds the command, imports it and nothing else, and turns every error into one line.

Exit codes: 0 done, 1 an error, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from ..errors import TsugikiError, UnknownNameError, did_you_mean
from .commands import COMMANDS, Command
from .errors import USAGE_ERROR, InterruptedCommandError

INTERRUPTED = 130
COMPLETION_VARIABLE = "_TSUGIKI_COMPLETE"  # by which a shell asks how the command line may go on
COMPLETION_OPTIONS = ("--install-completion", "--show-completion")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    end_of_options = words.index("--") if "--" in words else len(words)
    debug = "--debug" in words[:end_of_options]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names are bytes, and need not be text
    try:
        with warnings.catch_warnings():
            if not debug:
                _quiet()
            code = _run(words, debug)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return 1
    except (KeyboardInterrupt, InterruptedCommandError) as error:
        return _interrupted(error, debug)
    except TsugikiError as error:
        return _fail(str(error), getattr(error, "exit_code", 1), debug)
    except Exception as error:
        if _is_usage_error(error):
            message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
            return _fail(f"{message}. {_see_help(words)}", USAGE_ERROR, debug)
        if type(error).__name__ == "Abort":  # what typer makes of Ctrl-C at a question
            return _interrupted(error, debug)
        hint = "" if debug else " (--debug shows the trace)"
        return _fail(f"{type(error).__name__}: {error}{hint}", 1, debug)
    return code


def _run(words: list[str], debug: bool) -> int:
    if COMPLETION_VARIABLE in os.environ or (words and words[0] in COMPLETION_OPTIONS):
        from .completion import complete

        return complete(words)
    name = next((word for word in words if not word.startswith("-")), None)
    before = words if name is None else words[: words.index(name)]
    for option in before:
        if option in ("--version", "-V"):
            from importlib.metadata import version

            print(f"tsugiki {version('tsugiki')}")
            return 0
        if option in ("--help", "-h"):
            print(top_level_help())
            return 0
        if option != "--debug":
            return _fail(
                f"no such option before a command: {option}. `tsugiki --help` lists the commands.", USAGE_ERROR
            )
    if name is None:
        print(top_level_help())
        return 0
    try:
        command = find_command(name)
    except UnknownNameError as error:
        return _fail(str(error), USAGE_ERROR, debug)
    from .invoke import invoke

    rest = words[len(before) + 1 :]
    return invoke(command, name, rest)


def find_command(name: str) -> Command:
    """The command of the core or of a plugin with this name; ``plugin:command`` names a plugin's for certain.

    Raises:
        UnknownNameError: There is none.
        AmbiguousNameError: Two plugins bring it.
    """
    if name in COMMANDS:
        return COMMANDS[name]
    from ..registry import registry

    found = registry()
    prefix, _, bare = name.rpartition(":")
    owner = found.owner("command", bare, plugin_name=prefix)
    if owner is not None:
        return Command("", owner.manifest.commands[bare], plugin=f"{owner.name!r} ({owner.distribution})")
    broken = "".join(f" {plugin.describe()}." for plugin in found.broken)
    near = did_you_mean(name, [*COMMANDS, *found.commands()])
    raise UnknownNameError(f"no such command: {name!r}.{near}{broken} `tsugiki --help` lists the commands.")


def top_level_help() -> str:
    """The page of `tsugiki --help`: the core's commands, then each plugin's under its name, none of them imported."""
    from ..registry import registry
    from .summaries import summary_of

    plugins = registry().plugins.values()
    claims = Counter([*COMMANDS, *(name for plugin in plugins for name in plugin.manifest.commands)])
    own = {
        plugin.name: {
            f"{plugin.name}:{name}" if claims[name] > 1 else name: summary_of(reference)
            for name, reference in plugin.manifest.commands.items()
        }
        for plugin in plugins
    }
    width = max(map(len, [*COMMANDS, *(name for summaries in own.values() for name in summaries)]))
    lines = [
        "Usage: tsugiki COMMAND [OPTIONS] [ARGUMENTS]",
        "",
        "  Small, installable model plugins for the Hugging Face stack:",
        "  load one by name, set a new head on it, fine-tune, verify.",
        "",
        "Commands:",
        *(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
    ]
    for plugin in plugins:
        if plugin.manifest.commands:
            lines += ["", f"Commands of {plugin.name} ({plugin.distribution} {plugin.version}):"]
            lines += [f"  {name:<{width}}  {summary}".rstrip() for name, summary in own[plugin.name].items()]
    lines += [
        "",
        "Options:",
        "  --version             Print the version.",
        "  --help                Show this page; `tsugiki COMMAND --help` shows a command's options and an example.",
        "  --debug               With any command: show the trace of an error.",
        "  --install-completion  Let this shell complete commands, options and names of models.",
        "  --show-completion     Print what --install-completion adds to the shell.",
        "",
        "Example:",
        "  tsugiki list",
        "  tsugiki predict lenet5-mnist digit.png",
    ]
    return "\n".join(lines)


def _is_usage_error(error: Exception) -> bool:
    """Whether typer says that the command line is wrong; its versions keep the class in different places."""
    return hasattr(error, "format_message") and getattr(error, "exit_code", None) == USAGE_ERROR


def _see_help(words: Sequence[str]) -> str:
    name = next((word for word in words if not word.startswith("-")), "")
    return f"`tsugiki {name} --help` shows the usage."


def _interrupted(error: BaseException, debug: bool) -> int:
    """Say that the command was interrupted, and how it goes on where it left something to go on from."""
    notes: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        notes += getattr(seen, "__notes__", ())
        seen = seen.__cause__ or seen.__context__
    return _fail("; ".join(["interrupted", *dict.fromkeys(notes)]), INTERRUPTED, debug)


def _fail(message: str, code: int, debug: bool = False) -> int:
    """Print the one line of an error, below its trace when asked for."""
    if debug and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(f"tsugiki: {' '.join(message.split())}", file=sys.stderr)
    return code


def _quiet() -> None:
    """Keep the libraries' own chatter out of the terminal; what the user must know is said by the commands."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if sys.warnoptions:
        return
    warnings.simplefilter("ignore")
    warnings.filterwarnings("default", category=UserWarning, module=r"tsugiki(_|\.|$)")
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"tsugiki: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _discard_output() -> None:
    """Give the interpreter somewhere to flush to when the reader of a pipe has gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
