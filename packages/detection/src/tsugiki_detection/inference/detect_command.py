"""`tsugiki detect`: things in pictures of any size, in tiles where they are large, and in films."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.answers import Answers
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import json_list, note, only_results_on_stdout
from tsugiki.cli.output_files import OutputFiles, read_by
from tsugiki.cli.sources import InputWords, find_inputs
from tsugiki.errors import OptionError
from tsugiki.inputs import Source
from tsugiki.output import write_text
from tsugiki.output_path import check_output_path
from tsugiki.progress import progress_bar

from .detection_table import STANDARD_OUTPUT, DetectionTable
from .video import WRITTEN, detect_in_film, is_film, open_film

if TYPE_CHECKING:
    from PIL.Image import Image

AT_ONCE = 8  # pictures that are read and looked at together
DETECTION = "object-detection"


def command(
    name: ModelName,
    sources: InputWords,
    tiles: Annotated[
        int | None,
        typer.Option(
            "--tiles", metavar="PIXELS", min=1, help="Look at larger pictures in tiles of so many pixels a side."
        ),
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", min=0, max=0.95, help="Share of a tile that the next one shows again.")
    ] = 0.2,
    whole: Annotated[
        bool, typer.Option("--whole/--no-whole", help="Besides tiles, look at the whole picture, shrunk to the frame.")
    ] = True,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="Least score of what is told; by default the model's own."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Draw the boxes of a single input into this file.")
    ] = None,
    output_dir: Annotated[
        str | None, typer.Option("--output-dir", metavar="DIR", help="Draw those of each into a file of this folder.")
    ] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write a line for each box as CSV; - prints them.")
    ] = None,
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Find things in pictures of any size, and in films.

    With --tiles, a picture larger than a tile is looked at tile by tile and once as a whole, and what several of them
    found of one thing is joined: the best box of each class on each place stays, and a box that a tile's border has cut
    goes where it lies in another. An input that cannot be read is named on standard error, the others are looked at,
    and the exit code is 1.

    Of a film (.mp4, .mkv, …) each frame is looked at, and --output writes it with boxes and without its sound. Films
    need `pip install 'tsugiki-detection[video]'`.

    Example:
        tsugiki detect yolo-bccd smear.png --tiles 320 --output marked.png
        tsugiki detect yolo-bccd slides/ --tiles 640 --overlap 0.3 --output-dir marked --csv cells.csv
        tsugiki detect yolo-raccoon garden.mp4 --output marked.mp4 --csv raccoons.csv
    """
    if json and csv == STANDARD_OUTPUT:
        raise UsageError("--json and --csv - both print to standard output; name a file, or leave one of them out")
    with only_results_on_stdout() as stdout, contextlib.ExitStack() as unfinished:
        inputs = find_inputs(sources)
        reads = [name, *read_by(inputs)]
        csv_file = None
        if csv is not None and csv != STANDARD_OUTPUT:
            csv_file = check_output_path(csv, (), reads=reads, overwrite=overwrite)
        films = [content for group in inputs for _, content in group.sources if is_film(content)]
        if films and (len(inputs) > 1 or len(inputs[0].sources) > 1):
            raise UsageError(f"{films[0]} is a film: films are looked at one by one, without other inputs")
        if films and output_dir is not None:
            raise UsageError("a film with boxes is one file, which --output names")
        if films and output is not None:
            what = "a film is written as MP4, MOV, MKV or WebM"
            check_output_path(output, tuple(WRITTEN), reads=reads, overwrite=overwrite, what=what)
        answering = detector(name, device, tiles=tiles, overlap=overlap, whole=whole, threshold=threshold)
        add_json = unfinished.enter_context(json_list(stdout)) if json else None
        if films:
            table = DetectionTable(["frame", "seconds"], stdout, csv_to=csv, add_json=add_json, widths=[6, 9])
            _look_at_film(answering, films[0], table, output, overwrite=overwrite)
            failed = False
        else:
            found = answering.inputs(inputs)
            files = _files(found, output, output_dir, reads=reads, overwrite=overwrite)
            widths = [max(len(label) for label, _ in found)]
            table = DetectionTable(["input"], stdout, csv_to=csv, add_json=add_json, widths=widths)
            failed = _look_at_pictures(answering, found, table, files)
        if csv_file is not None:
            write_text(csv_file, table.csv_text, overwrite=overwrite)
    return 1 if failed else 0


def _look_at_pictures(
    answering: Any, found: Sequence[Source], table: DetectionTable, files: OutputFiles | None
) -> bool:
    """Tell what is in pictures; whether one could not be read."""
    failed = False
    with progress_bar("detect", len(found), unit="input") as bar:
        for batch in answering.answers(found, batch_size=AT_ONCE, files=files):
            for one in batch:
                table.add({"input": one.source}, one.predictions, one.error)
                if one.error is not None:
                    failed = True
                    note(f"tsugiki: {one.error}")
            bar.update(len(batch))
    return failed


def _look_at_film(answering: Any, path: Path, table: DetectionTable, output: str | None, *, overwrite: bool) -> None:
    """Tell what is in each frame of a film, and write it with boxes."""

    def detect(picture: Image) -> Answers:
        [answers] = answering.task.predict(answering.model, answering.processor, [picture])
        return answers

    with (
        open_film(path) as film,
        progress_bar("detect", film.count, unit="frame") as bar,
        contextlib.closing(detect_in_film(film, detect, output, overwrite=overwrite)) as looked_at,
    ):
        for frame, answers in looked_at:
            table.add({"frame": frame.number, "seconds": round(frame.seconds, 3)}, answers)
            bar.update()


def detector(
    name: str,
    device: str | None = None,
    *,
    tiles: int | None = None,
    overlap: float = 0.2,
    whole: bool = True,
    threshold: float | None = None,
) -> Any:
    """The model of this name, ready to answer (`tsugiki.cli.predict.Answering`).

    Args:
        name: As `tsugiki.load` takes it.
        device: Where to compute.
        tiles: Pixels of a tile's sides; pictures are looked at as a whole alone where left out.
        overlap: See `tsugiki_detection.inference.tiles.tiles_of`.
        whole: Whether a picture in tiles is looked at as a whole too.
        threshold: Least score; by default the config's.

    Raises:
        OptionError: It is no detector, or tiles cannot be so.
        TsugikiError: There is none, or it does not load.
    """
    from dataclasses import replace

    from tsugiki.cli.predict import Answering

    answering = Answering.open(name, device)
    if answering.task.name != DETECTION:
        raise OptionError(f"{name} is made for {answering.task.name}, and finds no boxes; `tsugiki predict` asks it")
    if threshold is not None:
        answering.model.config.score_threshold = threshold
    if tiles is None:
        return answering
    from .tiles import TiledDetection

    return replace(answering, task=TiledDetection(tiles, overlap, whole))


def _files(
    found: Sequence[Source], output: str | None, output_dir: str | None, *, reads: Sequence[object], overwrite: bool
) -> OutputFiles | None:
    """Where marked pictures go, if anywhere."""
    if output is not None and (output_dir is not None or len(found) > 1):
        raise UsageError("--output names one file of a single input; --output-dir a folder for those of several")
    if output is not None:
        return OutputFiles([check_output_path(output, reads=reads, overwrite=overwrite)], overwrite)
    if output_dir is not None:
        return OutputFiles.plan(found, output_dir, ".png", reads=reads, overwrite=overwrite)
    return None
