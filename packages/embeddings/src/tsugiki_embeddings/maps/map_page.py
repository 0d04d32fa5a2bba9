"""A map as one HTML file that needs nothing else: its data, its style and the few lines of script are all inside."""

from __future__ import annotations

import html
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from tsugiki.output import write_text

from .tsne_map import Map

TEMPLATE = "map_page.html"
DIGITS = 4  # of the coordinates, which run from 0 to 1


def write_page(drawn: Map, output: str | Path, *, overwrite: bool = False) -> None:
    """Write a map as an HTML file, whole or not at all.

    Args:
        drawn: The map.
        output: The file.
        overwrite: Replace a file that is there.

    Raises:
        OutputError: The file cannot be written, or is there and not to be replaced.
    """
    write_text(output, page(drawn), overwrite=overwrite)


def page(drawn: Map) -> str:
    """The HTML text of a map."""
    template = resources.files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    title = html.escape(drawn.title)
    before, after = (part.replace("{{ title }}", title) for part in template.split("{{ data }}"))
    return before + inline_json(map_data(drawn)) + after


def map_data(drawn: Map) -> dict[str, Any]:
    """What the script draws: coordinates from 0 to 1 with y downwards, texts, groups."""
    low = drawn.positions.min(0)
    span = max(float((drawn.positions.max(0) - low).max()), np.finfo(np.float64).tiny)
    unit = (drawn.positions - low) / span
    unit[:, 1] = unit[:, 1].max() - unit[:, 1]
    return {
        "x": [round(float(value), DIGITS) for value in unit[:, 0]],
        "y": [round(float(value), DIGITS) for value in unit[:, 1]],
        "labels": list(drawn.labels),
        "details": list(drawn.details),
        "groups": [int(group) for group in drawn.groups],
        "names": list(drawn.group_names),
        "marked": [int(point) for point in drawn.marked],
    }


def inline_json(value: Any) -> str:
    """JSON that can stand inside of a script element whatever it says: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
