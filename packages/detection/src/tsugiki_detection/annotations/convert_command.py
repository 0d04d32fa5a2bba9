"""`tsugiki convert-annotations`: labels from any format to another, with their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Json
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.errors import DataError, OptionError

from .check_command import SkipBad, Source, SourceFormat
from .class_map import map_classes, parse_class_map

FORMATS = ("coco", "voc", "yolo", "masks")


def command(
    source: Source,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="The folder to write; it appears whole or not at all.", show_default=False
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help=f"What to write: {', '.join(FORMATS)}.", show_default=False)
    ],
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="OLD=NEW,…",
            help="Rename classes, merge those with one new name, drop those without (old=); *= drops all others.",
            show_default=False,
        ),
    ] = None,
    source_format: SourceFormat = None,
    skip_bad: SkipBad = False,
    json: Json = False,
) -> None:
    """Convert labels to another format, pictures included.

    Boxes keep their place to a thousandth of a pixel. What the format cannot hold is said, a line for each.

    Example:
        tsugiki convert-annotations my-voc my-yolo --to yolo
        tsugiki convert-annotations tsugiki/bccd cells --to coco --classes "RBC=cell,WBC=cell,Platelets="
    """
    with only_results_on_stdout():
        mapping = None if classes is None else parse_class_map(classes)
        facts = convert(source, target, to, classes=mapping, format_name=source_format, skip_bad=skip_bad)
    if json:
        print_json(facts)
        return
    for line in facts["notes"]:
        note(f"tsugiki: {line}")
    print(facts["path"])


def convert(
    source: str,
    target: str,
    to: str,
    *,
    classes: Mapping[str, str] | None = None,
    format_name: str | None = None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Write labels in another format.

    Args:
        source: A folder, or the name of data with objects.
        target: The folder to write.
        to: One of `FORMATS`.
        classes: As `map_classes` takes them.
        format_name: How the source is read; None finds it.
        skip_bad: Leave out the boxes and pictures that something is wrong with, and count them.

    Returns:
        ``path``, ``format``, the number of pictures by ``splits``, and ``notes`` on what was left out or lost.

    Raises:
        OptionError: There is no such format.
        TsugikiError: The source cannot be read, or the target not be written.
    """
    if to not in FORMATS:
        raise OptionError(f"--to is one of {', '.join(FORMATS)}, not {to!r}")
    import datasets
    from tsugiki.data.load_data import local_paths
    from tsugiki.output import atomic_folder, check_output

    from .annotation_formats import read_annotations
    from .coco_writer import write_coco
    from .mask_writer import write_masks
    from .voc_writer import write_voc
    from .yolo_writer import write_yolo

    write = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "masks": write_masks}[to]
    path = check_output(target, reads=local_paths(source))
    labels = read_annotations(source, format_name=format_name, skip_bad=skip_bad)
    data = labels.dataset()
    if classes is not None:
        data = datasets.DatasetDict({split: map_classes(dataset, classes) for split, dataset in data.items()})
    features = next(iter(data.values())).features
    if "objects" not in features and not (to == "masks" and "classes" in features):
        raise DataError(f"{source} is in the format {labels.format}, which has no objects to write as {to}")
    with atomic_folder(target, reads=local_paths(source)) as folder:
        lost = write(data, folder)
    notes = [labels.count.note] if labels.count.note else []
    counts = {split: dataset.num_rows for split, dataset in data.items()}
    return {"path": str(path), "format": to, "splits": counts, "notes": [*notes, *lost]}
