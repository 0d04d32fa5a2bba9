"""How an output stands to other folders, and the record by which an unfinished one is known as this program's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import OutputError

RECORD = "unfinished.json"  # says of a folder that it is an unfinished output, and of which run
WHOLE = "whole"  # in an unfinished output: what becomes the output
OLD = "old"  # likewise: the output before, until the new one is in its place
RUN = ("run", "seed-*")  # likewise: what a killed run continues from


def relation(output: Path, other: Path) -> str:
    """How a path to write stands to another: ``is``, ``holds``, ``lies in``, or nothing; through links as well."""
    output, other = output.resolve(), other.resolve()
    if _same(output, other):
        return "is"
    if any(_same(output, parent) for parent in other.parents):
        return "holds"
    return "lies in" if any(_same(parent, other) for parent in output.parents) else ""


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:  # one of them is not there
        return False


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of an unfinished output; None where nothing is, or only what a run left that was killed at once.

    Raises:
        OutputError: Something of another's is there.
    """
    if not folder.exists() and not folder.is_symlink():
        return None
    try:
        if {path.name for path in folder.iterdir()} <= {f".{RECORD}.partial"}:
            return None
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["written_by"] == "tsugiki" and not folder.is_symlink():
            return dict(record)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise OutputError(f"{folder}, where an unfinished output would go, holds something else; move it elsewhere")


def new_record(run: str | None, *, whole: bool) -> Mapping[str, Any]:
    """What the record of an unfinished output says.

    Args:
        run: The digest of what makes two runs the same; None where nothing continues.
        whole: Whether what becomes the output is complete.
    """
    return {"written_by": "tsugiki", "run": run, "whole": whole}


def foreign_part_of_run(folder: Path) -> str | None:
    """What is in an unfinished output that is not the program's; empty where nothing is, None where it is none at all.

    Raises:
        OutputError: It has the record of another program.
    """
    if not (folder / RECORD).is_file():
        return None
    read_record(folder)
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not (path.name in (RECORD, WHOLE) or any(path.match(kind) for kind in RUN)):
            return path.name
    return ""
