"""`tsugiki new-plugin`: writes a plugin that can be installed, tested and changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.", show_default=False)
    ],
    directory: Annotated[
        str | None, typer.Option("--directory", metavar="DIR", help="The folder to write; by default tsugiki-NAME.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a new plugin that can be installed.

    It holds a small image classifier, its processor, a test, a recipe with its card, and passes all conformance checks
    as it is.

    Example:
        tsugiki new-plugin leaves
        pip install -e ./tsugiki-leaves
        tsugiki check-plugin leaves
    """
    from ..scaffold import new_plugin

    written = new_plugin(name, directory)
    if json:
        print_json({"path": str(written.path), "files": [str(file) for file in written.files]})
        return
    print(written.path)
    for file in written.files:
        print(f"  {file}")
    shown = written.path if written.path.is_absolute() else Path(written.path)
    print(f"\nNext: pip install -e {'' if shown.is_absolute() else './'}{shown} && tsugiki check-plugin {name}")
