"""Labels in YOLO's text files, one for each picture.

A line is ``class cx cy w h`` or, for an outline, ``class x1 y1 x2 y2 …``, in fractions of the width and height of the
upright picture; classes count from 0. Their names stand in ``data.yaml``, ``classes.txt`` or ``obj.names``. A picture
without a file, or with an empty one, is background.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from tsugiki.data.media_folder import SPLITS
from tsugiki.errors import DataError
from tsugiki.inputs import PICTURES

from .annotation import AnnotatedPicture, Annotation, Box, Finding, Outline
from .checker import measure
from .folder_layout import AnnotatedFiles, beginning, has_below, in_splits, list_lines, pairs, read_text
from .labelled_folder import LabelledFolder, ParsedLabels, of_files
from .outlines import polygon_area, polygon_box

_NUMBERS = re.compile(r"\s*\d+([.,]0*)?[\s,;]+([-+]?[\d.,]+(e[-+]?\d+)?|nan|inf)(\s|[,;])", re.IGNORECASE)
_NAMES_OF_CLASSES = ("classes.txt", "obj.names", "predefined_classes.txt", "_darknet.labels")
_FRACTION_MARGIN = 1e-3  # beyond 1, by which programs round
_BOX_NUMBERS = 5  # of a line: class and box
_SMALLEST_POLYGON = 7  # class and three points


def read_yolo(folder: Path, *, skip_bad: bool = False) -> LabelledFolder | None:
    """A folder with pictures and YOLO's text files; None where there are no such files.

    Args:
        folder: The folder.
        skip_bad: Leave out the boxes and pictures that something is wrong with, and count them.
    """
    if not has_below(folder, suffixes=(".txt",)):
        return None
    files = AnnotatedFiles(folder)
    if not files.pictures:
        return None
    labels = _label_files(files)
    looks = (beginning(path, 4096) for path in labels)
    if not any(_NUMBERS.match(text) for text in looks) and not (labels and _yaml_tables(files)):
        return None
    return of_files(files, partial(_parse, files, labels), skip_bad=skip_bad, format_name="yolo")


def _label_files(files: AnnotatedFiles) -> list[Path]:
    """Text files that lie in a folder ``labels``, have the name of a picture, or look so."""
    stems = {picture.stem for picture in files.pictures}
    found = []
    for path in files.with_suffix(".txt"):
        in_labels = any(part.lower() in ("labels", "label") for part in files.parts(path)[:-1])
        if path.name in _NAMES_OF_CLASSES or (path.stem not in stems and path.stem in SPLITS):
            continue
        if in_labels or path.stem in stems or _NUMBERS.match(beginning(path, 4096)):
            found.append(path)
    return found


def _yaml_tables(files: AnnotatedFiles) -> dict[Path, dict[str, Any]]:
    """Files that name classes, such as ``data.yaml``."""
    found = {}
    for path in files.with_suffix(".yaml") + files.with_suffix(".yml"):
        text = beginning(path)
        if re.search(r"^names\s*:", text, re.MULTILINE):
            try:
                table = yaml.safe_load(text)
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                line = f":{mark.line + 1}" if mark else ""
                raise DataError(f"{path}{line}: this is no YAML: {getattr(error, 'problem', '')}") from error
            if isinstance(table, dict):
                found[path] = table
    return found


def _parse(files: AnnotatedFiles, labels: list[Path]) -> ParsedLabels:
    tables = _yaml_tables(files)
    if len(tables) > 1:
        shown = ", ".join(files.relative(path) for path in tables)
        raise DataError(f"{files.folder}: {shown} all name classes; leave one")
    table = next(iter(tables.values()), {})
    names, said_by = _class_names(files, tables)
    _note_split_folders(files, next(iter(tables), None), table)
    parsed = ParsedLabels({}, None, written=lambda box: (box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]))
    lists = _lists(files)
    found = pairs(files, files.pictures, labels)
    for path in found.pop(files.folder, []):
        text = f"no one picture of the folder is called {path.stem!r}"
        parsed.findings.append(Finding(files.relative(path), "label without picture", text))
    lines = _Lines(names, said_by, has_points=bool(table.get("kpt_shape")))
    label_files: Counter[str] = Counter()
    splits = in_splits(
        files, files.pictures, {split: list_lines(files, [path]) for split, path in lists.items()}, parsed.findings
    )
    for split, pictures in splits.items():
        parsed.splits[split] = []
        for path in pictures:
            of_picture = found.get(path, [])
            picture = AnnotatedPicture(path, files.relative(of_picture[0] if of_picture else path))
            label_files[split] += len(of_picture)
            if len(of_picture) > 1:
                text = f"{files.relative(of_picture[1])} labels the same picture"
                parsed.findings.append(Finding(picture.place, "two files of labels", text))
                continue
            if of_picture and (fault := measure(picture)) is not None:
                parsed.findings.append(fault)
                continue
            try:
                text = read_text(of_picture[0]) if of_picture else ""
            except DataError as error:
                parsed.findings.append(Finding(picture.place, "unreadable labels", str(error)))
                continue
            lines.read(picture, text, parsed)
            parsed.splits[split].append(picture)
    if (fault := lines.counted_from_one()) is not None:
        parsed.findings.append(fault)
    parsed.classes = names or [str(number) for number in range(max(lines.used, default=0) + 1)]
    if not names:
        parsed.notes.append(
            "no data.yaml, classes.txt or obj.names names the classes: they are called by their numbers"
        )
    if lines.has_points:
        parsed.notes.append("the keypoints of objects are not read")
    parsed.label_files = label_files
    used = {*labels, *tables, *lists.values(), said_by}
    files.leave_out([path for path in files.others if path not in used], "neither a picture nor labels")
    return parsed


def _class_names(files: AnnotatedFiles, tables: dict[Path, dict[str, Any]]) -> tuple[list[str], Path | None]:
    """Names of the classes, and the file that says them; empty where none does."""
    for path, table in tables.items():
        names = table["names"]
        if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
            names = [names[number] for number in range(len(names))]
        if not isinstance(names, list) or not names:
            raise DataError(f"{path}: 'names' is to be a list of the classes, or a table of them by the numbers from 0")
        return _unlike([str(name) for name in names], path), path
    others = [path for path in files.others if path.name in _NAMES_OF_CLASSES or path.suffix == ".names"]
    for path in sorted(others, key=lambda path: len(files.parts(path))):
        names = [line.strip() for line in read_text(path).splitlines()]
        while names and not names[-1]:
            names.pop()
        if names:
            return _unlike(names, path), path
    return [], None


def _unlike(names: list[str], path: Path) -> list[str]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: two classes are called {twice[0]!r}")
    return names


def _note_split_folders(files: AnnotatedFiles, path: Path | None, table: dict[str, Any]) -> None:
    """Take the folders of the splits from ``data.yaml``, where their names do not say them; labels lie beside them."""
    if path is None:
        return
    below: list[tuple[tuple[str, ...], str]] = []
    for key, split in SPLITS.items():
        value = table.get(key)
        if not isinstance(value, str):
            continue
        parts = tuple(part for part in PurePosixPath(value.replace("\\", "/")).parts if part not in ("..", ".", "/"))
        inside = next((start for start in range(len(parts)) if path.parent.joinpath(*parts[start:]).is_dir()), None)
        if inside is not None:
            folder = (*files.parts(path)[:-1], *parts[inside:])
            below += [(folder, split), (tuple("labels" if part == "images" else part for part in folder), split)]
    named = {split for _, split in below}
    if len(named) > 1 and len({folder for folder, _ in below}) > 2:
        for folder, split in below:
            files.split_folders.setdefault(folder, split)


def _lists(files: AnnotatedFiles) -> dict[str, Path]:
    """Lists of the pictures of a split, such as ``train.txt``."""
    found: dict[str, Path] = {}
    for path in files.with_suffix(".txt"):
        first = beginning(path, 4096).split("\n", 1)[0].strip()
        if path.stem in SPLITS and first and PICTURES.holds(Path(first)):
            found.setdefault(SPLITS[path.stem], path)
    return found


class _Lines:
    """The lines of all files.

    Args:
        names: Of the classes; empty where they have none.
        said_by: The file of the names.
        has_points: Whether points follow each box.

    Attributes:
        used: Numbers of the classes, and where each stands first.
        has_points: Likewise.
    """

    def __init__(self, names: list[str], said_by: Path | None, *, has_points: bool) -> None:
        self._names = names
        self._said_by = said_by
        self.has_points = has_points
        self.used: dict[int, str] = {}

    def read(self, picture: AnnotatedPicture, text: str, parsed: ParsedLabels) -> None:
        """Add the objects of a picture, and what is wrong with its lines."""
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            place = f"{picture.place}:{number}"
            try:
                annotation = self._annotation(line, place, picture)
            except _LineError as error:
                parsed.findings.append(Finding(place, error.kind, str(error)))
                continue
            parsed.outlines = parsed.outlines or annotation.outline is not None
            picture.annotations.append(annotation)

    def _annotation(self, line: str, place: str, picture: AnnotatedPicture) -> Annotation:
        assert picture.size is not None
        width, height = picture.size
        if "," in line:
            raise _LineError("comma", "numbers have a decimal point, and spaces between them: no commas")
        try:
            number, *values = (float(word) for word in line.split())
        except ValueError:
            raise _LineError("malformed line", f"{line.strip()[:60]!r} is not numbers alone") from None
        if not number.is_integer():
            raise _LineError("malformed line", f"the class {number:g} is no whole number")
        if not all(map(math.isfinite, values)):
            raise _LineError("box that is not finite", "a value is no finite number")
        index = int(number)
        self.used.setdefault(index, place)
        if index < 0 or (self._names and index >= len(self._names)):
            raise _LineError("unknown class", f"class {index} is none of 0 to {len(self._names) - 1} in {self._of()}")
        if self.has_points:
            values = values[: _BOX_NUMBERS - 1]
        if values and (max(values) > 1 + _FRACTION_MARGIN or min(values) < -_FRACTION_MARGIN):
            worst = max(values, key=lambda value: abs(value - 0.5))
            raise _LineError("value that is no fraction", f"{worst:g} is no fraction of the picture, from 0 to 1")
        name = self._names[index] if self._names else str(index)
        if len(values) == _BOX_NUMBERS - 1:
            cx, cy, w, h = values
            box: Box = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
            return Annotation(box, name, place)
        if len(values) < _SMALLEST_POLYGON - 1 or len(values) % 2:
            raise _LineError("malformed line", f"{len(values)} values follow the class, neither a box nor points x y")
        polygon = tuple(value * (height if place_in_point else width) for value, place_in_point in _alternating(values))
        return Annotation(polygon_box([polygon]), name, place, polygon_area(polygon), Outline((polygon,)))

    def _of(self) -> str:
        return self._said_by.name if self._said_by is not None else "the names"

    def counted_from_one(self) -> Finding | None:
        """Whether the classes count from 1, so that all are others than they are called."""
        if self._names and 0 not in self.used and max(self.used, default=0) == len(self._names):
            text = (
                f"the classes go from {min(self.used)} to {max(self.used)}, but the {len(self._names)} of {self._of()} "
                "count from 0: all are called by the name of the next"
            )
            return Finding(self.used[max(self.used)], "classes that count from 1", text, fatal=True)
        return None


class _LineError(Exception):
    """A line that is wrong, and in which kind."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _alternating(values: list[float]) -> list[tuple[float, int]]:
    return [(value, index % 2) for index, value in enumerate(values)]
