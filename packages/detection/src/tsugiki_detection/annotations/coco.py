"""Labels in COCO's JSON: boxes, polygons, run lengths, crowds.

One file makes a split, by a word in its name (``instances_train2017.json``) or its folder
(``valid/_annotations.coco.json``). Pictures are found by their names, wherever they lie below the folder.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tsugiki.errors import DataError

from .annotation import AnnotatedPicture, Annotation, Box, Finding, Outline
from .folder_layout import SPLIT_ORDER, AnnotatedFiles, beginning, has_below, named_picture, split_named
from .labelled_folder import LabelledFolder, ParsedLabels, of_files
from .outlines import outline_box, outline_of_runs

_BEGINS = re.compile(
    r'"images"\s*:\s*\[\s*\{.*?"file_name"'
    r'|"annotations"\s*:\s*\[\s*\{[^{}]*"(image_id|bbox|category_id)"'
    r'|"categories"\s*:\s*\[\s*\{[^{}]*"name"',
    re.DOTALL,
)
_SMALLEST_POLYGON = 6  # numbers, of three points


def read_coco(folder: Path, *, skip_bad: bool = False) -> LabelledFolder | None:
    """A folder with pictures and COCO's JSON; None where there is no such file.

    Args:
        folder: The folder.
        skip_bad: Leave out the boxes and pictures that something is wrong with, and count them.
    """
    if not has_below(folder, suffixes=(".json",)):
        return None
    files = AnnotatedFiles(folder)
    tables = [path for path in files.with_suffix(".json") if _is_coco(beginning(path))]
    if not tables:
        return None
    return of_files(files, partial(_parse, files, tables), skip_bad=skip_bad, format_name="coco")


def _is_coco(text: str) -> bool:
    return text.lstrip().startswith("{") and _BEGINS.search(text) is not None


def _parse(files: AnnotatedFiles, tables: list[Path]) -> ParsedLabels:
    read = {path: _load(path) for path in tables}
    without = [path for path, table in read.items() if "annotations" not in table]
    if len(without) < len(tables):
        files.leave_out(without, "lists pictures without annotations")
        read = {path: table for path, table in read.items() if path not in without}
    by_split = _one_of_each_split(files, list(read))
    by_name: dict[str, list[Path]] = {}
    for picture in files.pictures:
        by_name.setdefault(picture.name, []).append(picture)
    parsed = ParsedLabels({}, _classes({path: read[path] for path in by_split.values()}), flags=("iscrowd",))
    with_points = 0
    for split, path in by_split.items():
        table = _Table(files.relative(path), read[path], parsed)
        pictures = table.pictures(partial(named_picture, files, by_name, near=path, split=split))
        with_points += table.add_annotations(pictures)
        parsed.splits[split] = list(pictures.values())
        parsed.label_files = {**parsed.label_files, split: 1}
    if with_points:
        parsed.notes.append(f"the keypoints of {with_points:,} objects are not read")
    listed = {picture.source for pictures in parsed.splits.values() for picture in pictures}
    files.leave_out([path for path in files.pictures if path not in listed], "in no file of annotations")
    files.leave_out([path for path in files.others if path not in tables], "neither a picture nor annotations")
    return parsed


def _load(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: this is no JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is no JSON in UTF-8") from error
    for key in ("images", "annotations", "categories"):
        rows = table.get(key, []) if isinstance(table, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path}: {key!r} is to be a list of objects, as COCO has them")
    return dict(table)


def _one_of_each_split(files: AnnotatedFiles, tables: list[Path]) -> dict[str, Path]:
    """The file of each split, train first; ``instances_…`` before others, such as ``person_keypoints_…``."""
    named: dict[str, list[Path]] = {}
    for path in tables:
        words = re.split(r"[-_. ]+", path.stem)
        split = next((split for word in words if (split := split_named(word))), "") or files.split_of(path)
        named.setdefault(split, []).append(path)
    if "" in named:
        if len(named) > 1:
            files.leave_out(named.pop(""), "beside the splits")
        else:
            named["train"] = named.pop("")
    chosen: dict[str, Path] = {}
    for split in SPLIT_ORDER:
        paths = named.get(split, [])
        instances = [path for path in paths if path.name.startswith("instances")]
        if len(paths) > 1 and len(instances) == 1:
            files.leave_out([path for path in paths if path not in instances], f"beside {instances[0].name}")
            paths = instances
        if len(paths) > 1:
            shown = ", ".join(files.relative(path) for path in paths[:5])
            raise DataError(
                f"{files.folder}: {shown} are all of the split {split}; leave one, or name others in theirs"
            )
        if paths:
            chosen[split] = paths[0]
    return chosen


def _classes(tables: Mapping[Path, Mapping[str, Any]]) -> list[str]:
    """Names of the classes of all files, by their ids.

    A group that Roboflow lists as class 0, of which no object is, is none.
    """
    categories: dict[str, int] = {}
    groups, used = set(), set()
    for path, table in tables.items():
        ids: dict[int, str] = {}
        for row in table.get("categories", []):
            if not isinstance(row.get("id"), int) or not isinstance(row.get("name"), str) or not row["name"]:
                raise DataError(f"{path}: the category {json.dumps(row)[:80]} has no id that is a number, or no name")
            if row["id"] in ids:
                raise DataError(f"{path}: {ids[row['id']]!r} and {row['name']!r} are both the category {row['id']}")
            categories.setdefault(row["name"], row["id"])
            groups.add(row.get("supercategory"))
            ids[row["id"]] = row["name"]
        used |= {
            ids.get(row.get("category_id")) for row in table.get("annotations", []) if _is_id(row.get("category_id"))
        }
    names = sorted(categories, key=lambda name: categories[name])
    placeholder = next((name for name in names if categories[name] == 0 and name in groups and name not in used), None)
    return [name for name in names if name != placeholder]


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


class _Table:
    """One file of annotations.

    Args:
        place: How a message calls it.
        table: What it holds.
        parsed: Where what is wrong is noted, and what kinds of columns there are.
    """

    def __init__(self, place: str, table: Mapping[str, Any], parsed: ParsedLabels) -> None:
        self._place = place
        self._table = table
        self._parsed = parsed

    def _note(self, which: str, kind: str, text: str) -> None:
        self._parsed.findings.append(Finding(f"{self._place} {which}", kind, text))

    def pictures(self, find: Callable[[str], Path | None]) -> dict[int | str, AnnotatedPicture]:
        """The pictures by their ids; None stands for one that is listed, and is not there."""
        found: dict[int | str, AnnotatedPicture] = {}
        taken: dict[Path, Any] = {}
        self._lost: set[Any] = set()
        for row in self._table.get("images", []):
            key, name = row.get("id"), row.get("file_name")
            which = f"image {key}"
            if not _is_id(key) or not isinstance(name, str):
                self._note(which, "malformed image", "it has no id, or no file_name")
                continue
            path = find(name)
            if key in found or key in self._lost:
                self._note(which, "image twice", f"the id {key} is that of another image too")
            elif path is None:
                self._lost.add(key)
                self._note(which, "label without picture", f"no one picture of the folder is called {name!r}")
            elif path in taken:
                self._lost.add(key)
                self._note(which, "image twice", f"{name!r} is image {taken[path]} too")
            else:
                taken[path] = key
                picture = AnnotatedPicture(path, f"{self._place} {which}")
                width, height = row.get("width"), row.get("height")
                if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
                    picture.declared = (width, height)
                found[key] = picture
        return found

    def add_annotations(self, pictures: Mapping[int | str, AnnotatedPicture]) -> int:
        """Give each picture its objects; returns how many of these have keypoints."""
        names = {row["id"]: row["name"] for row in self._table.get("categories", [])}
        with_points = 0
        ids = Counter(row.get("id") for row in self._table.get("annotations", []) if _is_id(row.get("id")))
        for number, row in enumerate(self._table.get("annotations", [])):
            which = (
                f"annotation {row['id']}"
                if ids.get(row.get("id")) == 1
                else f"annotation {row.get('id')} (entry {number})"
            )
            image, category = row.get("image_id"), row.get("category_id")
            if not _is_id(image) or image not in pictures:
                if not _is_id(image) or image not in self._lost:
                    self._note(
                        which, "label without picture", f"it is of image {image!r}, which the file does not list"
                    )
                continue
            if not _is_id(category) or category not in names:
                known = f"{min(names)} to {max(names)}" if names else "none"
                self._note(which, "unknown class", f"its category_id {category!r} is none of the categories ({known})")
                continue
            try:
                outline = _outline(row.get("segmentation"))
                box = _box(row.get("bbox"), outline)
            except ValueError as error:
                self._note(which, "malformed annotation", str(error))
                continue
            area = row.get("area")
            if not isinstance(area, int | float) or not math.isfinite(area):
                area = outline_box(outline)[1] if outline is not None else None
            annotation = Annotation(box, names[category], f"{self._place} {which}", area, outline)
            annotation.iscrowd, annotation.difficult = bool(row.get("iscrowd")), bool(row.get("difficult"))
            if "difficult" in row and "difficult" not in self._parsed.flags:
                self._parsed.flags = (*self._parsed.flags, "difficult")
            self._parsed.outlines = self._parsed.outlines or outline is not None
            with_points += bool(row.get("keypoints"))
            pictures[image].annotations.append(annotation)
        return with_points


def _box(value: Any, outline: Outline | None) -> Box:
    if value is None or value == []:
        if outline is None:
            raise ValueError("it has neither a bbox nor a segmentation")
        return outline_box(outline)[0]
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_number, value)):
        raise ValueError(f"its bbox is to be [x, y, width, height], not {str(value)[:80]}")
    x, y, w, h = (float(number) for number in value)
    return (x, y, w, h)


def _outline(value: Any) -> Outline | None:
    """The segmentation of an annotation.

    Raises:
        ValueError: It is none that COCO has.
    """
    if not value:
        return None
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
            raise ValueError(f"the size of its segmentation is to be [height, width], not {str(size)[:80]}")
        if not isinstance(counts, str) and not (
            isinstance(counts, list) and all(isinstance(run, int) for run in counts)
        ):
            raise ValueError("the counts of its segmentation are neither numbers nor a text")
        return outline_of_runs(counts, size)
    if not isinstance(value, list):
        raise ValueError("its segmentation is neither a list of polygons nor run lengths")
    polygons = [value] if _is_number(value[0]) else value  # one polygon without a list around it
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < _SMALLEST_POLYGON or len(polygon) % 2:
            raise ValueError("a polygon of its segmentation is no list of three points or more, x1, y1, x2, y2, …")
        if not all(_is_number(number) and math.isfinite(number) for number in polygon):
            raise ValueError("a polygon of its segmentation holds what is no number")
    return Outline(tuple(tuple(float(number) for number in polygon) for polygon in polygons))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
