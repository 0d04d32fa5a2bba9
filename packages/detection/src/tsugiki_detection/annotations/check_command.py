"""`tsugiki check-annotations`: what is wrong with the labels of a folder, by file and line."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Json
from tsugiki.cli.output import only_results_on_stdout, print_json, print_table

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder with labels: COCO, Pascal VOC, YOLO, masks, landmarks; or data with a column objects.",
        show_default=False,
    ),
]
SourceFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="How SOURCE is read: coco, voc, yolo, masks, landmarks or objects; by default found by what it holds.",
        show_default=False,
    ),
]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Leave out, and count, boxes and pictures that are wrong."),
]


def command(source: Source, source_format: SourceFormat = None, skip_bad: SkipBad = False, json: Json = False) -> None:
    """Check labels: boxes, classes, pictures, splits.

    Each finding names file and line, or the annotation's id. The exit code is 1 where there is one; with --skip-bad
    only where leaving out something would not mend it.

    Example:
        tsugiki check-annotations my-photos
        tsugiki check-annotations my-photos --format yolo --json
    """
    with only_results_on_stdout():
        facts = check(source, format_name=source_format, skip_bad=skip_bad)
    if json:
        print_json(facts)
    else:
        if facts["findings"]:
            rows = [(one["place"], one["kind"], one["text"]) for one in facts["findings"]]
            print_table(("where", "kind", "what"), rows)
        print(_summary(facts))
    if facts["refused"]:
        raise typer.Exit(1)


def check(source: str, *, format_name: str | None = None, skip_bad: bool = False) -> dict[str, Any]:
    """What is wrong with labels, and how many pictures and objects there are.

    Args:
        source: A folder, or the name of data with objects.
        format_name: How it is read; None finds it.
        skip_bad: Whether findings that leaving out mends are no reason to refuse.

    Returns:
        ``format``, the number of pictures by ``splits``, ``pictures``, ``background``, ``objects``, their number by
        ``classes``, ``findings`` (each ``place``, ``kind``, ``text``) and whether a reader ``refused`` these.

    Raises:
        TsugikiError: The folder cannot be read at all.
    """
    from .annotation_formats import read_annotations
    from .labelled_folder import without_bad

    labels = read_annotations(source, format_name=format_name)
    findings = labels.findings
    splits = without_bad(labels.parsed.splits, findings) if skip_bad else labels.parsed.splits
    pictures = [picture for of_split in splits.values() for picture in of_split]
    classes = Counter(one.category for picture in pictures for one in picture.annotations)
    return {
        "format": labels.format,
        "splits": {split: len(of_split) for split, of_split in splits.items()},
        "pictures": len(pictures),
        "background": sum(not picture.annotations for picture in pictures) if labels.parsed.classes is not None else 0,
        "objects": classes.total(),
        "classes": dict(sorted(classes.items())),
        "findings": [{"place": one.place, "kind": one.kind, "text": one.text} for one in findings],
        "refused": any(one.fatal for one in findings) or not pictures or bool(findings and not skip_bad),
    }


def _summary(facts: dict[str, Any]) -> str:
    splits = ", ".join(f"{split} {count:,}" for split, count in facts["splits"].items())
    line = f"{facts['format']}: {facts['pictures']:,} pictures ({splits})"
    if facts["background"]:
        line += f", {facts['background']:,} of them background"
    if facts["objects"]:
        classes = ", ".join(f"{name} {count:,}" for name, count in facts["classes"].items())
        line += f", {facts['objects']:,} objects ({classes})"
    kinds = Counter(one["kind"] for one in facts["findings"])
    found = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    return f"{line}; {found or 'nothing is wrong'}"
