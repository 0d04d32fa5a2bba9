"""Labels in Pascal VOC's XML, a file for each picture.

VOC counts pixels from 1, and a box ends with its last pixel: ``xmin=1, xmax=W`` is as wide as the picture, so that x
is ``xmin - 1`` and the width ``xmax - xmin + 1``. Other programs count from 0, and write where a box ends; a folder in
which a box begins at 0 or below is read so, x as ``xmin`` and the width as ``xmax - xmin``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any
from xml.parsers import expat

from tsugiki.data.media_folder import SPLITS

from .annotation import AnnotatedPicture, Annotation, Finding
from .folder_layout import AnnotatedFiles, beginning, has_below, in_splits, list_lines, pairs
from .labelled_folder import LabelledFolder, ParsedLabels, of_files

_ROOT = re.compile(r"<annotation[\s>]")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: Path, *, skip_bad: bool = False) -> LabelledFolder | None:
    """A folder with pictures and Pascal VOC's XML; None where there is no such file.

    Args:
        folder: The folder.
        skip_bad: Leave out the boxes and pictures that something is wrong with, and count them.
    """
    if not has_below(folder, suffixes=(".xml",)):
        return None
    files = AnnotatedFiles(folder)
    labels = [path for path in files.with_suffix(".xml") if _ROOT.search(beginning(path, 4096))]
    if not labels:
        return None
    return of_files(files, partial(_parse, files, labels), skip_bad=skip_bad, format_name="voc")


@dataclass
class Element:
    """An element of XML with the line it begins in."""

    tag: str
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def find(self, tag: str) -> Element | None:
        """The first child with this tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def said(self, tag: str) -> str:
        """The text of the first child with this tag, stripped; empty where there is none."""
        child = self.find(tag)
        return child.text.strip() if child is not None else ""


def parse_xml(content: bytes) -> Element:
    """The root element of a file that declares no entities of its own.

    Raises:
        ValueError: It is no XML, in one sentence that begins with the line.
    """
    parser = expat.ParserCreate()
    top = Element("", 0)
    open_elements = [top]

    def start(tag: str, _: Any) -> None:
        element = Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def add_text(text: str) -> None:
        open_elements[-1].text += text

    def refuse(*_: Any) -> None:
        raise ValueError(f"{parser.CurrentLineNumber}: a document type is declared, which labels have not")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_elements.pop()
    parser.CharacterDataHandler = add_text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"{error.lineno}: this is no XML: {expat.ErrorString(error.code)}") from error
    return top.children[0]


@dataclass
class _Labels:
    """What one file says."""

    place: str
    file_name: str = ""
    declared: tuple[int, int] | None = None
    objects: list[tuple[Annotation, tuple[float, ...]]] = field(default_factory=list)  # and the corners as written
    has_crowds: bool = False


def _parse(files: AnnotatedFiles, paths: list[Path]) -> ParsedLabels:
    findings: list[Finding] = []
    read: dict[Path, _Labels | None] = {path: _read(path, files.relative(path), findings) for path in paths}
    from_zero = any(min(corners[:2]) <= 0 for one in read.values() if one for _, corners in one.objects)
    found = pairs(files, files.pictures, paths)
    by_name = {picture.name: picture for picture in files.pictures}
    for path in found.pop(files.folder, []):
        labels = read[path]
        picture = by_name.get(PureWindowsPath(labels.file_name).name) if labels else None
        if picture is not None:
            found.setdefault(picture, []).append(path)
        elif labels is not None:
            named = f" or {labels.file_name!r}" if labels.file_name else ""
            text = f"no one picture of the folder is called {path.stem!r}{named}"
            findings.append(Finding(files.relative(path), "label without picture", text))
    splits: dict[str, list[AnnotatedPicture]] = {}
    label_files: Counter[str] = Counter()
    for split, pictures in in_splits(files, files.pictures, _lists(files), findings).items():
        splits[split] = []
        for picture in pictures:
            of_picture = found.get(picture, [])
            one = AnnotatedPicture(picture, files.relative(of_picture[0] if of_picture else picture))
            label_files[split] += len(of_picture)
            if len(of_picture) > 1:
                text = f"{files.relative(of_picture[1])} labels the same picture"
                findings.append(Finding(one.place, "two files of labels", text))
                continue
            if of_picture:
                labels = read[of_picture[0]]
                if labels is None:
                    continue
                one.declared = labels.declared
                one.annotations = [_placed(annotation, corners, from_zero) for annotation, corners in labels.objects]
            splits[split].append(one)
    every = [picture for pictures in splits.values() for picture in pictures]
    classes = sorted({one.category for picture in every for one in picture.annotations})
    flags = ("iscrowd", "difficult") if any(one and one.has_crowds for one in read.values()) else ("difficult",)
    notes = ["a box begins at 0, so that corners are read as counted from 0"] if from_zero else []
    lists = {path for paths in _list_files(files).values() for path in paths}
    used = {*paths, *lists}
    files.leave_out([path for path in files.others if path not in used], "neither a picture nor labels")
    return ParsedLabels(splits, classes, findings, flags, label_files=label_files, notes=notes)


def _placed(annotation: Annotation, corners: tuple[float, ...], from_zero: bool) -> Annotation:
    x1, y1, x2, y2 = corners
    first = 0 if from_zero else 1
    annotation.box = (x1 - first, y1 - first, x2 - x1 + first, y2 - y1 + first)
    return annotation


def _read(path: Path, place: str, findings: list[Finding]) -> _Labels | None:
    """The labels of one picture; None, and a finding, where they cannot be read."""
    try:
        root = parse_xml(path.read_bytes())
    except ValueError as error:
        line, _, text = str(error).partition(": ")
        findings.append(Finding(f"{place}:{line}", "malformed XML", text))
        return None
    labels = _Labels(place, root.said("filename"))
    if (size := root.find("size")) is not None:
        try:
            width, height = int(float(size.said("width"))), int(float(size.said("height")))
        except (ValueError, OverflowError):
            width = height = 0
        labels.declared = (width, height) if width > 0 and height > 0 else None  # programs leave zeros behind
    for element in root.children:
        if element.tag != "object":
            continue
        where = f"{place}:{element.line}"
        name, box = element.said("name"), element.find("bndbox")
        if not name or box is None:
            findings.append(Finding(where, "malformed object", f"the object has no {'bndbox' if name else 'name'}"))
            continue
        try:
            corners = tuple(float(box.said(tag)) for tag in _CORNERS)
        except ValueError:
            said = ", ".join(f"{tag} {box.said(tag)!r}" for tag in _CORNERS)
            findings.append(Finding(f"{place}:{box.line}", "malformed box", f"the corners are no four numbers: {said}"))
            continue
        annotation = Annotation((0, 0, 0, 0), name, f"{place}:{box.line}")
        annotation.iscrowd = element.said("iscrowd") == "1"
        annotation.difficult = element.said("difficult") == "1" and not annotation.iscrowd
        labels.has_crowds = labels.has_crowds or element.find("iscrowd") is not None
        labels.objects.append((annotation, corners))
    return labels


def _list_files(files: AnnotatedFiles) -> dict[str, list[Path]]:
    """Lists of the names in each split: ``ImageSets/Main/train.txt``; ``trainval`` where there is no ``train``."""
    found: dict[str, list[Path]] = {}
    for path in files.with_suffix(".txt"):
        if "ImageSets" in files.parts(path)[:-1] and (path.stem in SPLITS or path.stem == "trainval"):
            found.setdefault(SPLITS.get(path.stem, path.stem), []).append(path)
    both = found.pop("trainval", [])
    if both and not {"train", "validation"} & set(found):
        found["train"] = both
    return {split: _of_main(paths) for split, paths in found.items()}


def _of_main(paths: list[Path]) -> list[Path]:
    """Of lists for several uses of the pictures, that for boxes."""
    return [path for path in paths if path.parent.name == "Main"] or paths


def _lists(files: AnnotatedFiles) -> dict[str, list[tuple[str, str]]]:
    """The lines of the lists of each split, and where they stand."""
    return {split: lines for split, paths in _list_files(files).items() if (lines := list_lines(files, paths))}
