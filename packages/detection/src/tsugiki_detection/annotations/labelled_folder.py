"""A folder with labels in some format: parsed, checked, and made data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsugiki.errors import DataError
from tsugiki.file_tree import FileCount, readable

from .annotation import AnnotatedPicture, Finding, object_features, objects_row, to_dataset
from .checker import Written, check_pictures
from .folder_layout import AnnotatedFiles

if TYPE_CHECKING:
    from datasets import DatasetDict

SHOWN = 5  # findings that an error shows
_KEPT = 2  # folders that stay read
_read: dict[tuple[object, ...], LabelledFolder] = {}


@dataclass
class ParsedLabels:
    """What the files of a format say.

    Attributes:
        splits: Pictures by split.
        classes: Names in the order of the data's numbers; None where there are no objects.
        findings: What was wrong on the way; the objects and pictures of these are not among `splits`, or named.
        flags: Which of `tsugiki_detection.annotations.annotation.FLAGS` the format says.
        outlines: Whether objects have outlines.
        written: The four numbers of a box as the format writes them.
        features: Types of further columns by name.
        label_files: Number of files with labels that were read, by split.
        notes: What else there is to say.
    """

    splits: dict[str, list[AnnotatedPicture]]
    classes: Sequence[str] | None
    findings: list[Finding] = field(default_factory=list)
    flags: tuple[str, ...] = ()
    outlines: bool = False
    written: Written = tuple
    features: dict[str, Any] = field(default_factory=dict)
    label_files: Mapping[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class LabelledFolder:
    """A folder in one format.

    Args:
        folder: The folder.
        parse: Reads the labels.
        skip_bad: Leave out, and count, the boxes and pictures that something is wrong with; else that is an error.
        format_name: Of the format.
        left_out: Files that are not read, by reason; filled while they are parsed.

    Attributes:
        folder: The folder.
        format: The format's name.
    """

    def __init__(
        self,
        folder: Path,
        parse: Callable[[], ParsedLabels],
        *,
        skip_bad: bool,
        format_name: str,
        left_out: Mapping[str, Sequence[str]],
    ) -> None:
        self.folder = folder
        self.format = format_name
        self._left_out = left_out
        self._parse = parse
        self._skip_bad = skip_bad

    @cached_property
    def parsed(self) -> ParsedLabels:
        """What the files say, before it is checked.

        Raises:
            DataError: A file cannot be read at all.
        """
        return self._parse()

    @cached_property
    def findings(self) -> list[Finding]:
        """All that is wrong with the labels."""
        return self.parsed.findings + check_pictures(self.parsed.splits, self.parsed.written)

    @cached_property
    def splits(self) -> dict[str, list[AnnotatedPicture]]:
        """The pictures that are read, by split.

        Raises:
            DataError: Something is wrong with labels, and not to be skipped, or nothing is left.
        """
        refuse_findings(self.folder, self.findings, skip_bad=self._skip_bad)
        splits = without_bad(self.parsed.splits, self.findings)
        if not any(splits.values()):
            raise DataError(f"{self.folder}: no picture is left to read as {self.format}")
        return {split: pictures for split, pictures in splits.items() if pictures}

    @cached_property
    def count(self) -> FileCount:
        """What became of all files of the folder.

        Raises:
            DataError: The labels cannot be read.
        """
        parsed = self.parsed
        splits = self.splits if self._skip_bad else parsed.splits
        background = sum(not picture.annotations for pictures in splits.values() for picture in pictures)
        notes = list(parsed.notes)
        if background and parsed.classes is not None:
            notes.append(f"{background:,} without objects: background")
        if self._skip_bad and self.findings:
            notes.append(f"left out as bad: {counted(self.findings)}")
        read = {split: len(pictures) + parsed.label_files.get(split, 0) for split, pictures in splits.items()}
        return FileCount(self.folder, read, self._left_out, note="; ".join(notes))

    def dataset(self) -> DatasetDict:
        """The splits as data.

        Raises:
            DataError: As of `splits`.
        """
        import datasets

        parsed, features = self.parsed, dict(self.parsed.features)
        splits = self.splits
        if parsed.classes is not None:
            features["objects"] = object_features(parsed.classes, flags=parsed.flags, outlines=parsed.outlines)
            numbers = {name: number for number, name in enumerate(parsed.classes)}
            for picture in (one for pictures in splits.values() for one in pictures):
                picture.columns["objects"] = objects_row(
                    picture.annotations, numbers, flags=parsed.flags, outlines=parsed.outlines
                )
        return datasets.DatasetDict({split: to_dataset(pictures, features) for split, pictures in splits.items()})


def of_files(
    files: AnnotatedFiles, parse: Callable[[], ParsedLabels], *, skip_bad: bool, format_name: str
) -> LabelledFolder:
    """A folder whose files are sorted while they are parsed; see `LabelledFolder`.

    One that was read before, and has not changed since by the names, sizes and times of its files, is not read again:
    each split of data is asked for by itself.
    """
    seen = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files.paths]
    key = (str(files.folder), format_name, skip_bad, hash(tuple(seen)))
    if key not in _read:
        made = LabelledFolder(files.folder, parse, skip_bad=skip_bad, format_name=format_name, left_out=files.left_out)
        while len(_read) >= _KEPT:
            del _read[next(iter(_read))]
        _read[key] = made
    return _read[key]


def refuse_findings(source: Path | str, findings: Sequence[Finding], *, skip_bad: bool) -> None:
    """Raise what is wrong with labels as one error, unless it is to be skipped and can be.

    Raises:
        DataError: It names the first findings and how many there are.
    """
    raised = [one for one in findings if one.fatal] if skip_bad else findings
    if not raised:
        return
    first = "; ".join(str(one) for one in sorted(raised, key=lambda one: not one.fatal)[:SHOWN])
    more = f"; and {len(raised) - SHOWN:,} more" if len(raised) > SHOWN else ""
    way = ""
    if not any(one.fatal for one in raised):
        way = " (tsugiki check-annotations lists them, tsugiki convert-annotations --skip-bad leaves them out)"
    many = "1 bad label" if len(raised) == 1 else f"{len(raised):,} bad labels"
    raise DataError(f"{readable(source)}: {many}{way}: {first}{more}")


def without_bad(
    splits: Mapping[str, Sequence[AnnotatedPicture]], findings: Sequence[Finding]
) -> dict[str, list[AnnotatedPicture]]:
    """The pictures without those, and without the objects, that something is wrong with."""
    objects, whole = set(), set()
    for one in findings:
        if one.picture is not None and (one.annotation is None or one.picture.masks):  # or its mask would not fit
            whole.add(id(one.picture))
        elif one.annotation is not None:
            objects.add(id(one.annotation))
    return {
        split: [
            replace(picture, annotations=[one for one in picture.annotations if id(one) not in objects])
            for picture in pictures
            if id(picture) not in whole
        ]
        for split, pictures in splits.items()
    }


def counted(findings: Sequence[Finding]) -> str:
    """How many findings of which kind there are."""
    return ", ".join(f"{kind} {count:,}" for kind, count in Counter(one.kind for one in findings).most_common())
