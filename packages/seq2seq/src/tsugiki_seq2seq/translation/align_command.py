"""`tsugiki align`: a picture of which source tokens each target token looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.output_path import check_output_path


def command(
    name: ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The source sentence.", show_default=False)],
    target: Annotated[
        str | None, typer.Option("--target", help="What to align it with; by default the model's own translation.")
    ] = None,
    layer: Annotated[int, typer.Option("--layer", help="Layer of the decoder; -1 is the last.")] = -1,
    head: Annotated[int | None, typer.Option("--head", min=0, help="One head; by default the mean of all.")] = None,
    beam: Annotated[int | None, typer.Option("--beam", min=1, help="Beams of the search.")] = None,
    output: Annotated[str, typer.Option("--output", metavar="FILE.png", help="The picture to write.")] = "align.png",
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw the attention of a translation.

    Columns are the source's tokens, rows those of the target; a dark field is a source token that the model looked at
    while it wrote the target's. Tokens that no installed font can draw are shown by numbers and listed.

    Example:
        tsugiki align translate-ja-en-gru-attention "彼 は 走 っ た 。"
        tsugiki align translate-ja-en-transformer "彼 は 走 っ た 。" --layer 0 --head 2 --output head2.png
    """
    path = check_output_path(output, reads=[name], overwrite=overwrite)
    with only_results_on_stdout():
        facts = write_alignment(
            name, text, path, target=target, layer=layer, head=head, beam=beam, device=device, overwrite=overwrite
        )
    if json:
        print_json(facts)
        return
    print(facts["path"])
    note(facts["text"])
    if facts["stands_for"]:
        places = ", ".join(f"{label} {token}" for label, token in facts["stands_for"].items())
        note(f"no installed font has all characters, such as Noto Sans CJK JP does; numbers stand for tokens: {places}")


def write_alignment(
    name: str,
    text: str,
    path: Path,
    *,
    target: str | None = None,
    layer: int = -1,
    head: int | None = None,
    beam: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the picture; its path, the tokens, the weights and the text.

    Raises:
        TsugikiError: The model is unknown or has no attention, or the file cannot be written.
    """
    from tsugiki.devices import moved
    from tsugiki.snapshots.snapshot import Snapshot

    from .alignment import align, draw_alignment
    from .open_translators import load_translator

    model, tokenizer = load_translator(Snapshot.open(name))
    found = align(moved(model, device), tokenizer, text, target, layer=layer, head=head, num_beams=beam)
    stands_for = draw_alignment(found, path, overwrite=overwrite)
    return {
        "path": str(path),
        "name": name,
        "text": found.text,
        "source_tokens": found.source,
        "target_tokens": found.target,
        "weights": [[round(float(weight), 6) for weight in row] for row in found.weights],
        "stands_for": stands_for,
    }
