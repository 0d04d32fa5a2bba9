"""Landmarks in tables: a CSV with a file name and the points of that picture in each row.

The columns of a point are ``x_1, y_1`` or ``nose_x, nose_y``, perhaps with ``visible_1`` or ``nose_visible``. Points
are in pixels of the upright picture. A point whose cells are empty is not visible.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath

from .annotation import AnnotatedPicture, Finding
from .checker import measure
from .folder_layout import SPLIT_ORDER, AnnotatedFiles, beginning, has_below, named_picture, read_text, split_named
from .labelled_folder import LabelledFolder, ParsedLabels, of_files

_FILE_COLUMNS = ("file_name", "filename", "file", "image", "image_name", "image_path", "path", "name", "")
_FIRST = re.compile(r"(?P<axis>x|y|v|vis|visible|visibility)(_(?P<name>\w+)|(?P<number>\d+))\Z", re.IGNORECASE)
_LAST = re.compile(r"(?P<name>.+)[_ .](?P<axis>x|y|v|vis|visible|visibility)\Z", re.IGNORECASE)
_OF_BOXES = {"min", "max", "center", "centre", "c", "0", "tl", "br"}  # x_min, y_min, … are corners of a box
_FEWEST_NUMBERED = 3  # points: x1, y1, x2, y2 are a box


@dataclass(frozen=True)
class _Table:
    """A table of landmarks.

    Attributes:
        path: Its file.
        file_column: The number of the column with the pictures' names.
        points: By name, the columns of x, y and whether it is visible, -1 where there is none.
        delimiter: Between cells.
    """

    path: Path
    file_column: int
    points: dict[str, tuple[int, int, int]]
    delimiter: str


def read_landmarks(folder: Path, *, skip_bad: bool = False) -> LabelledFolder | None:
    """A folder with pictures and a table of landmarks; None where there is no such table.

    The data has the column ``keypoints``, for each point x, y and whether it is visible.

    Args:
        folder: The folder.
        skip_bad: Leave out the pictures with whose points something is wrong, and count them.
    """
    if not has_below(folder, suffixes=(".csv",)):
        return None
    files = AnnotatedFiles(folder)
    if not files.pictures:
        return None
    tables = [found for path in files.with_suffix(".csv") if (found := _table(path)) is not None]
    if not tables:
        return None
    return of_files(files, partial(_parse, files, tables), skip_bad=skip_bad, format_name="landmarks")


def landmark_names(columns: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """The points that columns of a table hold, in their order, and which columns are x, y and whether it is visible.

    Args:
        columns: Headings.
    """
    found: dict[str, dict[str, int]] = {}
    for number, column in enumerate(columns):
        match = _FIRST.match(column.strip()) or _LAST.match(column.strip())
        if match is not None:
            name = match["name"] or match.groupdict().get("number") or ""
            found.setdefault(name, {})[match["axis"].lower()[0]] = number
    points = {
        name: (axes["x"], axes["y"], axes.get("v", -1))
        for name, axes in found.items()
        if {"x", "y"} <= set(axes) and name.lower() not in _OF_BOXES
    }
    numbered = [name for name in points if f"x{name}" in columns]
    return {} if 0 < len(numbered) < _FEWEST_NUMBERED else points


def _table(path: Path) -> _Table | None:
    head = beginning(path).split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    columns = next(csv.reader([head.strip("\r")], delimiter=delimiter), [])
    points = landmark_names(columns)
    lowered = [column.strip().lower() for column in columns]
    named = next((lowered.index(name) for name in _FILE_COLUMNS if name in lowered), None)
    return _Table(path, named, points, delimiter) if points and named is not None else None


def _parse(files: AnnotatedFiles, tables: list[_Table]) -> ParsedLabels:
    from datasets import List, Value

    parsed = ParsedLabels({}, None, features={"keypoints": List(List(Value("float32"), length=3))})
    by_name: dict[str, list[Path]] = {}
    for picture in files.pictures:
        by_name.setdefault(picture.name, []).append(picture)
        by_name.setdefault(picture.stem, []).append(picture)
    names = list(tables[0].points)
    rows: dict[str, list[AnnotatedPicture]] = {}
    for table in tables:
        if list(table.points) != names:
            text = f"its points are not those of {files.relative(tables[0].path)}"
            parsed.findings.append(Finding(files.relative(table.path), "other points", text, fatal=True))
            continue
        of_table = next((split for word in re.split(r"\W|_", table.path.stem) if (split := split_named(word))), "")
        reader = csv.reader(io.StringIO(read_text(table.path), newline=""), delimiter=table.delimiter)
        next(reader)
        for cells in reader:
            if not any(cells):
                continue
            place = f"{files.relative(table.path)}:{reader.line_num}"
            name = cells[table.file_column] if table.file_column < len(cells) else ""
            path = named_picture(files, by_name, name, table.path, of_table)
            if path is None:
                text = f"no one picture of the folder is called {PureWindowsPath(name).name!r}"
                parsed.findings.append(Finding(place, "label without picture", text))
                continue
            one = AnnotatedPicture(path, place)
            if (fault := measure(one) or _add_points(one, cells, table)) is not None:
                parsed.findings.append(fault)
            else:
                rows.setdefault(of_table or files.split_of(path), []).append(one)
    loose = rows.pop("", [])
    if loose and rows:
        files.leave_out([one.source for one in loose if isinstance(one.source, Path)], "beside the splits")
    elif loose:
        rows["train"] = loose
    parsed.splits = {split: rows[split] for split in SPLIT_ORDER if split in rows}
    parsed.label_files = Counter({next(iter(parsed.splits), "train"): len(tables)})
    listed = {one.source for of_split in rows.values() for one in of_split}
    files.leave_out([path for path in files.pictures if path not in listed], "in no table of points")
    used = {table.path for table in tables}
    files.leave_out([path for path in files.others if path not in used], "neither a picture nor a table of points")
    return parsed


def _add_points(picture: AnnotatedPicture, cells: Sequence[str], table: _Table) -> Finding | None:
    """Give a picture its points, or say what is wrong with them."""
    assert picture.size is not None
    width, height = picture.size
    points = []
    for name, columns in table.points.items():
        words = [cells[column].strip() if 0 <= column < len(cells) else "" for column in columns]
        if not words[0] and not words[1]:
            points.append([0.0, 0.0, 0.0])
            continue
        try:
            x, y = float(words[0]), float(words[1])
            visible = float({"true": "1", "false": "0"}.get(words[2].lower(), words[2] or "1"))
        except ValueError:
            text = f"the point {name} is {', '.join(map(repr, words[:2]))}, not two numbers"
            return Finding(picture.place, "malformed point", text, picture)
        if not math.isfinite(x + y + visible):
            return Finding(picture.place, "point that is not finite", f"the point {name} is no finite number", picture)
        if not (-width <= x <= 2 * width and -height <= y <= 2 * height):
            text = f"the point {name} at {x:g}, {y:g} is far outside the picture of {width} x {height}"
            return Finding(picture.place, "point outside the picture", text, picture)
        points.append([x, y, visible])
    picture.columns["keypoints"] = points
    return None
