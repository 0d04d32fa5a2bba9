"""`tsugiki search`: the lines of files that mean what is asked for, whatever their words."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Columns, Device, Json, ModelName, parse_columns
from tsugiki.cli.output import note, only_results_on_stdout, print_json, print_table
from tsugiki.cli.sources import column_of, find_inputs, inputs_of_kind
from tsugiki.columns import TEXT_COLUMN, TEXT_COLUMNS, Role
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS

GAP = "   "  # between columns of a table
NARROWEST = 40  # characters of a line that the table shows, however narrow the screen


def command(
    name: ModelName,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in words.", show_default=False)],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="Where to look: texts with a line each, tables (.csv, .jsonl, …), folders, - for standard input.",
            show_default=False,
        ),
    ],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many lines to show.")] = 10,
    columns: Columns = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Find the lines that are nearest to a text by what they mean.

    Nearness is the cosine of the vectors that the model makes of the texts. A table is read by its column of texts.

    Example:
        tsugiki search all-minilm-l6-v2 "a comedy that moved me" reviews.txt
        tsugiki search all-minilm-l6-v2 "late deliveries" tickets.csv --columns text=message --json
    """
    if not query.strip():
        raise UsageError("QUERY is empty: say what to look for")
    with only_results_on_stdout():
        found = search(name, query, files, top_k=top_k, columns=parse_columns(columns), device=device)
    if json:
        print_json(found)
        return
    places = max(len(line["place"]) for line in found)
    width = shutil.get_terminal_size().columns - len(f"cosine{GAP}{GAP}") - places
    rows = [(f"{line['score']:.4f}", line["place"], _short(line["text"], width)) for line in found]
    print_table(("cosine", "line", "text"), rows, right=("cosine",))


def search(
    name: str,
    query: str,
    files: list[str],
    *,
    top_k: int = 10,
    columns: Mapping[str, str] | None = None,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """The lines nearest to a query, best first, each ``{"place", "text", "score"}``.

    Raises:
        DataError: The files hold no line of text.
        OptionError: The model gives no vector for a text.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    from .text_vectors import nearest_texts

    lines: list[tuple[str, str]] = []
    texts_of = column_of(Role(TEXT_COLUMN, TEXT_COLUMNS), "text", columns, command="search")
    for place, content in inputs_of_kind(find_inputs(files), TEXTS, texts_of):
        if isinstance(content, DataError):
            note(f"tsugiki: {content}")
        else:
            lines.append((place, str(content)))
    if not lines:
        raise DataError(f"{files[0]} holds no line of text")
    [near] = nearest_texts(name, [query], [text for _, text in lines], top_k=top_k, device=device)
    return [{"place": lines[row][0], "text": lines[row][1], "score": score} for row, score in near]


def _short(text: str, width: int) -> str:
    return textwrap.shorten(text, max(NARROWEST, width), placeholder="…")
