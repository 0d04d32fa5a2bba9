"""Options that several commands share, and options that are fields of another class (``--learning-rate 0.01``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]


def model_names(incomplete: str) -> list[str]:
    """Installed models that begin with what is typed."""
    from ..snapshots.listing import list_models

    return [info.name for info in list_models() if info.name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model: its name, plugin:name, a folder, or org/name on the Hub.",
        show_default=False,
        autocompletion=model_names,
    ),
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A data set: an id on the Hub, a folder of images by class, or a parquet, csv or json file or folder.",
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="ROLE=COLUMN,…",
        help="Which column plays which part, such as image=photo,label=kind; by default found by type.",
        show_default=False,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="How the folder is read: class-folders, tables, or a plugin's format; by default found by what it holds.",
        show_default=False,
    ),
]
OutputDir = Annotated[
    str,
    typer.Option(
        "--output-dir", metavar="DIR", help="The folder to write; it appears whole or not at all.", show_default=False
    ),
]


def _known_device(device: str | None) -> str | None:
    """Meet a device that is not here before any work is done."""
    if device is not None:
        from ..devices import check_device

        check_device(device)
    return device


Device = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="Where to compute, such as cpu or cuda:0.", callback=_known_device),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]

_WORDS = {"true": True, "false": False, "none": None, "null": None}


def parse_value(text: str) -> Any:
    """What a word of the command line means: a number, true, false, none, a JSON list or object, else the text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def parse_fields(words: Sequence[str]) -> dict[str, Any]:
    """Read ``--field value``, ``--field=value`` and ``--flag`` into a mapping with underscores in its keys.

    Args:
        words: What the command line has left after the options that the command declares.

    Raises:
        UsageError: A word that is neither an option nor the value of one, or an option given twice.
    """
    fields: dict[str, Any] = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("--") or word == "--":
            raise UsageError(f"unexpected argument {word!r}; options are written --field value, after the arguments")
        option, equals, value = word[2:].partition("=")
        key = option.replace("-", "_")
        if key in fields:
            raise UsageError(f"--{option} is given twice")
        if equals:
            fields[key] = parse_value(value)
        elif remaining and not remaining[0].startswith("--"):
            fields[key] = parse_value(remaining.pop(0))
        else:
            fields[key] = True
    return fields


def parse_columns(text: str | None, *, option: str = "--columns") -> dict[str, str] | None:
    """``source=ja,target=en`` as a mapping, or None where nothing is given.

    Raises:
        UsageError: It is not written so, or a role is given twice.
    """
    if text is None:
        return None
    columns: dict[str, str] = {}
    for word in text.split(","):
        role, _, column = (part.strip() for part in word.partition("="))
        if not (role and column):
            usual = "ROLE=COLUMN,ROLE=COLUMN, such as source=ja,target=en" if option == "--columns" else "A=B,C=D"
            raise UsageError(f"{option} is written {usual}, not {text!r}")
        if role in columns:
            raise UsageError(f"{option} names {role} twice")
        columns[role] = column
    return columns


def refuse_options(**arguments: str) -> None:
    """Meet an option of `parse_fields` that was written where an argument belongs."""
    for name, value in arguments.items():
        if value.startswith("--"):
            raise UsageError(f"{value} stands where {name.upper()} belongs; write options after the arguments")
