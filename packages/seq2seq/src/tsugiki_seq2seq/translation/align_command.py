"""`tsugiki align`: pictures of which source tokens each target token looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Columns, Device, Json, ModelName, Overwrite, parse_columns
from tsugiki.cli.output import note, only_results_on_stdout
from tsugiki.cli.output_files import OutputFiles, OutputFolder, read_by
from tsugiki.cli.sources import find_inputs, inputs_of_kind
from tsugiki.errors import DataError
from tsugiki.inputs import PAIRS

USUAL = "align.png"


def command(
    name: ModelName,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Source sentences, files with one a line, tables (.csv, .jsonl, …), or - for standard input.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str | None, typer.Option("--target", help="What to align it with; by default the model's own translation.")
    ] = None,
    layer: Annotated[int, typer.Option("--layer", help="Layer of the decoder; -1 is the last.")] = -1,
    head: Annotated[int | None, typer.Option("--head", min=0, help="One head; by default the mean of all.")] = None,
    beam: Annotated[int | None, typer.Option("--beam", min=1, help="Beams of the search.")] = None,
    columns: Columns = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE.png", help=f"The picture to write; by default {USUAL}.")
    ] = None,
    output_dir: OutputFolder = None,
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Draw the attention of translations.

    Columns are the source's tokens, rows those of the target; a dark field is a source token that the model looked at
    while it wrote the target's. Tokens that no installed font can draw are shown by numbers and listed. A line of a
    file may have its target behind a tab, a row of a table in the column that --columns names.

    Example:
        tsugiki align translate-ja-en-gru-attention "彼 は 走 っ た 。"
        tsugiki align translate-ja-en-transformer "彼 は 走 っ た 。" --layer 0 --head 2 --output head2.png
        tsugiki align translate-ja-en-transformer pairs.csv --columns source=ja,target=en --output-dir maps
    """
    with only_results_on_stdout() as stdout:
        given = find_inputs(texts)
        found = inputs_of_kind(given, PAIRS, lambda path: _pairs_of(path, parse_columns(columns)))
        if target is not None and len(found) > 1:
            raise UsageError(f"--target is that of one sentence, and there are {len(found)}")
        reads = [name, *read_by(given)]
        files = OutputFiles.of_options(
            found, output, output_dir, kind=PAIRS, usual=USUAL, reads=reads, overwrite=overwrite
        )
        from tsugiki.devices import moved
        from tsugiki.snapshots.snapshot import Snapshot

        from .alignment import align, draw_alignment
        from .open_translators import load_translator

        model, tokenizer = load_translator(Snapshot.open(name))
        moved(model, device)

        def draw(label: str, pair: Any, path: Path) -> dict[str, Any]:
            source, its_target = _split(pair, label)
            drawn = align(model, tokenizer, source, its_target or target, layer=layer, head=head, num_beams=beam)
            stands_for = draw_alignment(drawn, path, overwrite=overwrite)
            return {
                "path": str(path),
                "name": name,
                "text": drawn.text,
                "source_tokens": drawn.source,
                "target_tokens": drawn.target,
                "weights": [[round(float(weight), 6) for weight in row] for row in drawn.weights],
                "stands_for": stands_for,
            }

        def show(facts: dict[str, Any]) -> None:
            print(facts["path"], file=stdout)
            note(facts["text"])
            if facts["stands_for"]:
                places = ", ".join(f"{label} {token}" for label, token in facts["stands_for"].items())
                note(
                    "no installed font has all characters, such as Noto Sans CJK JP does; numbers stand for tokens: "
                    f"{places}"
                )

        return files.write_each(found, draw, show, json=json, file=stdout, title="align")


def _split(pair: str | list[str], label: str) -> tuple[str, str | None]:
    """A sentence and what it is aligned with, if that is given."""
    if isinstance(pair, str):
        return pair, None
    if len(pair) != 2:
        raise DataError(f"{label} has {len(pair)} texts with tabs between them, not a source and a target")
    return pair[0], pair[1]


def _pairs_of(path: Path, columns: Mapping[str, str] | None) -> list[Any]:
    """The sources of a table, each with its target where a column is named for it; None where a row lacks one."""
    from tsugiki.columns import read_column
    from tsugiki.data.load_data import load_split

    from .translation import ROLES, TextTranslation

    task, dataset = TextTranslation(), load_split(path, None)
    if ROLES[1] not in (columns or {}):
        return task.table_inputs(dataset, columns)
    found = task.columns(dataset, columns)
    rows = zip(*(read_column(dataset, found[role]) for role in ROLES), strict=True)
    return [list(row) if all(row) else None for row in rows]
