"""`tsugiki publish`: copies a snapshot with a complete card to a folder or to the Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, ModelName
from .output import only_results_on_stdout, print_json


def command(
    name: ModelName,
    to: Annotated[
        str, typer.Argument(metavar="TO", help="org/name on the Hub, or a folder, such as ./out.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Publish a model with a complete card.

    A card that is incomplete or contradicts its provenance is refused, and nothing is half published.

    Example:
        tsugiki publish runs/my-digits me/my-digits
        tsugiki publish lenet5-mnist ./lenet5-mnist
    """
    with only_results_on_stdout():
        from ..cards.publish import publish

        place = publish(name, to)
    if json:
        print_json({"name": name, "to": to, "published": place})
    else:
        print(place)
