"""`tsugiki onnx-table`: measures what of the installed models exports to ONNX."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..output_path import check_output_path
from ..progress import track
from .options import Json, Overwrite
from .output import only_results_on_stdout, print_json, print_table


def command(
    plugin: Annotated[
        str | None, typer.Argument(metavar="PLUGIN", help="Only this plugin's models.", show_default=False)
    ] = None,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="FILE", help="Write the record that docs/onnx.md is of.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Measure what of the installed models exports to ONNX.

    A small model of every family and every checkpoint is exported and compared with torch, as `tsugiki export --check`
    does. Exit code 1 if one fails that does not refuse by itself.

    Example:
        tsugiki onnx-table vision
    """
    path = None if write is None else check_output_path(write, (".json",), overwrite=overwrite, what="a record is JSON")
    with only_results_on_stdout():
        from ..recipes.onnx_page import HEADER, RIGHT, write_record
        from ..testing.onnx_survey import survey

        rows = list(track(survey(plugin), "export", unit="model"))
        if path is not None:
            write_record(rows, path)
    if json:
        print_json([asdict(row) for row in rows])
    else:
        print_table(HEADER, [[cell.strip("`") for cell in row.cells()] for row in rows], right=RIGHT)
    return 1 if any(row.status == "failed" for row in rows) else 0
