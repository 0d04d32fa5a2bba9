"""`tsugiki melody`: a melody grown from its start note, as a MIDI file, a picture or a sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.errors import TsugikiError
from tsugiki.output_path import check_output_path

SUFFIXES = (".mid", ".midi", ".png", ".wav")


def command(
    name: ModelName,
    start: Annotated[str, typer.Option("--start", help="The first note: C4 is the middle C, F#5, Bb3.")] = "C4",
    key: Annotated[str | None, typer.Option("--key", help="Such as G or Em; drawn where left out.")] = None,
    metre: Annotated[str | None, typer.Option("--metre", help="4/4, 3/4 or 6/8; drawn where left out.")] = None,
    temperature: Annotated[float, typer.Option("--temperature", help="Below 1: what is likely; above 1: odder.")] = 0.8,
    tempo: Annotated[float, typer.Option("--tempo", min=10, max=400, help="Quarter notes a minute.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Of what is drawn: the same seed, the same melody.")] = 0,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="The file to write: .mid, .png (piano roll) or .wav.")
    ] = "melody.mid",
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Grow a melody from its first note.

    Key, metre and rhythm are the model's own, unless they are given.

    Example:
        tsugiki melody melody-rnn --start C4 --output tune.mid
        tsugiki melody melody-rnn --start D5 --key G --metre 6/8 --seed 3 --output tune.png
    """
    path = check_output_path(
        output, SUFFIXES, reads=[name], overwrite=overwrite, what="a melody is a MIDI file, a picture or a sound"
    )
    with only_results_on_stdout():
        facts = write_melody(
            name,
            path,
            start=start,
            key=key,
            metre=metre,
            temperature=temperature,
            tempo=tempo,
            seed=seed,
            device=device,
            overwrite=overwrite,
        )
    if json:
        print_json(facts)
        return
    print(facts["path"])
    note(facts["text"])


def write_melody(
    name: str,
    path: Path,
    *,
    start: str,
    key: str | None = None,
    metre: str | None = None,
    temperature: float = 0.8,
    tempo: float = 100,
    seed: int = 0,
    device: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Grow a melody and write it; its path, name, start, key, metre, seed, number of notes and bars, and text.

    Raises:
        TsugikiError: The model is unknown or writes no melodies, an option is out of range, or the output cannot be
            written.
    """
    from tsugiki.devices import moved
    from tsugiki.output import write_bytes
    from tsugiki.snapshots.snapshot import Snapshot

    from .melody_files import WRITERS
    from .melody_generation import grow_melody

    snapshot = Snapshot.open(name)
    model, tokenizer = moved(snapshot.model(), device), snapshot.processor()
    if not hasattr(tokenizer, "get_vocab") or not model.can_generate() or model.config.is_encoder_decoder:
        raise TsugikiError(f"{name} ({type(model).__name__}) is no language model; melody-rnn is one of melodies")
    text, melody = grow_melody(model, tokenizer, start, key=key, metre=metre, temperature=temperature, seed=seed)
    notes = melody.notes()
    title = f"{Path(name).name} from {start}, {melody.key}, {melody.metre}, seed {seed}"
    content = WRITERS[path.suffix.lower()](notes, tempo=tempo, metre=melody.metre, title=title)
    write_bytes(path, content, overwrite=overwrite)
    return {
        "path": str(path),
        "name": Path(name).name,
        "start": start,
        "key": melody.key,
        "metre": melody.metre,
        "seed": seed,
        "notes": len(notes),
        "bars": len(melody.bars),
        "text": text,
    }
