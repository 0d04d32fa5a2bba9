"""`tsugiki card`: prints, renders and checks cards and what is generated from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import UsageError
from .options import Json
from .output import note, print_json


def command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model.", show_default=False)] = None,
    write: Annotated[
        bool,
        typer.Option("--write", "--index", help="Render again; without NAME, all cards of a checkout and its tables."),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if something is incomplete or out of date.")
    ] = False,
    root: Annotated[str, typer.Option("--root", metavar="DIR", help="The checkout that holds hub_cards/.")] = ".",
    json: Json = False,
) -> int:
    """Print, render or check model cards.

    A card is rendered from the prose in hub_cards/NAME/card.md and from provenance.json; without a checkout, from the
    prose it was last rendered with.

    Example:
        tsugiki card lenet5-mnist
        tsugiki card --write
        tsugiki card --check
    """
    if write and check:
        raise UsageError("--write and --check exclude each other")
    if name is None:
        return _checkout(Path(root), write=write, check=check, json=json)
    from ..snapshots.resolve import resolve

    folder = resolve(name)
    if check:
        return _check(name, folder, json)
    if write:
        changed = _write(folder, Path(root))
        if json:
            print_json({"name": name, "written": changed})
        else:
            print("\n".join(changed))
        return 0
    from ..cards.render import README
    from ..errors import CardError

    path = folder / README
    if not path.is_file():
        raise CardError(f"{name} has no card: {path} is missing; `tsugiki card {name} --write` renders it")
    text = path.read_text(encoding="utf-8")
    if json:
        from ..snapshots.provenance import Provenance

        record = Provenance.read(folder).to_dict()
        print_json({"name": name, "path": str(path), "card": text, "provenance": record})
    else:
        print(text, end="")
    return 0


def _check(name: str, folder: Path, json: bool) -> int:
    from ..cards.validate import validate_card

    problems = validate_card(folder)
    if json:
        print_json({"name": name, "ok": not problems, "problems": problems})
    else:
        for problem in problems:
            note(f"tsugiki: {name}: {problem}")
        if not problems:
            print(f"{name}: the card is complete")
    return 1 if problems else 0


def _write(folder: Path, root: Path) -> list[str]:
    """Render one card, from the checkout's prose where there is one, and set it beside its recipe."""
    from ..cards.render import README, write_card
    from ..recipes.index import HUB_CARDS, copy_card

    recipe = root / HUB_CARDS / folder.name
    prose = recipe / "card.md"
    written = [str(write_card(folder, prose.read_text(encoding="utf-8") if prose.is_file() else None))]
    if prose.is_file():
        copy_card(folder, recipe)
        written.append(str(recipe / README))
    return written


def _checkout(root: Path, *, write: bool, check: bool, json: bool) -> int:
    """Everything in a checkout that is generated from cards."""
    if not (write or check):
        raise UsageError("name a model, or give --write or --check for all cards of a checkout")
    from ..recipes.index import HUB_CARDS, check_generated, write_generated

    if not (root / HUB_CARDS).is_dir():
        raise UsageError(f"{root} holds no {HUB_CARDS}/; run this in a checkout, or name it with --root")
    files = check_generated(root) if check else write_generated(root)
    if json:
        print_json({"ok": not files, "out_of_date": files} if check else {"written": files})
    elif check:
        for file in files:
            note(f"tsugiki: {file} is not what its sources give; run `tsugiki card --write`")
        if not files:
            print("everything that is generated is up to date")
    else:
        print("\n".join(files) if files else "everything that is generated is up to date")
    return 1 if check and files else 0
