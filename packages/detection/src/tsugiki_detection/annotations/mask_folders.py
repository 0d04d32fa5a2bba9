"""Folders of masks: pictures, and beside them pictures of numbers with the same names.

``masks/`` holds a number for each pixel's class, in 8 bits: gray values, places in a palette, or the colors that
``labelmap.txt`` says; 0 is the background and 255 no class at all. Masks that hold 0 and 255 alone are of two classes.
Names stand in ``classes.txt`` or ``labels.txt``, a line for each number from 0. ``instances/`` holds labels of objects,
of 16 bits or 8: k for each pixel of the k-th. Numbers of more than 8 bits are of objects in whatever folder they lie.
Where there are both, the class of an object is that of most of its pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tsugiki.errors import DataError

from .annotation import AnnotatedPicture, Annotation, Finding
from .folder_layout import AnnotatedFiles, has_below, in_splits, pairs, read_text
from .label_images import VOID, Color, boxes_of_numbers, consecutive, png_of_numbers, read_numbers
from .labelled_folder import LabelledFolder, ParsedLabels, of_files

_CLASS_FOLDERS = {"masks", "mask", "class_masks", "segmentationclass", "labels", "annotations"}
_INSTANCE_FOLDERS = {"instances", "instance_masks", "segmentationobject"}
_LOSSY = {".jpg", ".jpeg", ".webp", ".heic", ".heif"}  # in which numbers do not stay what they are
_NAME_FILES = ("classes.txt", "labels.txt", "labelmap.txt")
BACKGROUND = "background"


def read_masks(folder: Path, *, skip_bad: bool = False) -> LabelledFolder | None:
    """A folder of pictures and masks; None where there are no such folders.

    The data has the columns ``mask``, the numbers as an image, and ``classes``, those that occur in it; or, for labels
    of objects, ``mask`` with these and ``objects``; where there are both, ``instances`` are the latter.

    Args:
        folder: The folder.
        skip_bad: Leave out the pictures with whose masks something is wrong, and count them.
    """
    if not has_below(folder, folders=_CLASS_FOLDERS | _INSTANCE_FOLDERS):
        return None
    files = AnnotatedFiles(folder)
    masks = {path: kind for path in files.pictures if (kind := _kind_of(files, path))}
    pictures = [path for path in files.pictures if path not in masks]
    if not masks or not pictures:
        return None
    if not {files.key(path) for path in pictures} & {files.key(path) for path in masks}:
        return None  # such as pictures in classes that are called mask and no_mask
    return of_files(files, partial(_parse, files, pictures, masks), skip_bad=skip_bad, format_name="masks")


def _kind_of(files: AnnotatedFiles, path: Path) -> str:
    """Whether a picture is ``classes`` or ``instances``, by the folder that it lies in; empty where it is neither."""
    if path.suffix.lower() in _LOSSY:
        return ""
    folders = {part.lower() for part in files.parts(path)[:-1]}
    return "instances" if folders & _INSTANCE_FOLDERS else "classes" if folders & _CLASS_FOLDERS else ""


def _parse(files: AnnotatedFiles, pictures: list[Path], kinds: Mapping[Path, str]) -> ParsedLabels:
    kinds = {path: "instances" if _is_deep(path) else kind for path, kind in kinds.items()}
    names, colors, said_by = _class_names(files)
    parsed = ParsedLabels({}, None)
    masks = _Masks(names, colors, parsed)
    found: dict[str, dict[Path, list[Path]]] = {}
    for kind in ("classes", "instances"):
        of_kind = [path for path, its in kinds.items() if its == kind]
        found[kind] = pairs(files, pictures, of_kind)
        for path in found[kind].pop(files.folder, []):
            text = f"no one picture of the folder is called {path.stem!r}"
            parsed.findings.append(Finding(files.relative(path), "label without picture", text))
    present = [kind for kind in found if found[kind]]
    without = [path for path in pictures if not all(path in found[kind] for kind in present)]
    files.leave_out(without, "without a mask")
    label_files: Counter[str] = Counter()
    masked = [path for path in pictures if path not in set(without)]
    for split, of_split in in_splits(files, masked, {}, parsed.findings).items():
        parsed.splits[split] = []
        for path in of_split:
            of_picture = [mask for kind in present for mask in found[kind][path]]
            label_files[split] += len(of_picture)
            picture = AnnotatedPicture(path, files.relative(of_picture[0]))
            if len(of_picture) > len(present):
                text = f"{files.relative(of_picture[1])} is a mask of the same picture"
                parsed.findings.append(Finding(picture.place, "two files of labels", text))
            elif masks.read(picture, dict(zip(present, of_picture, strict=True)), files):
                parsed.splits[split].append(picture)
    masks.finish(present)
    parsed.label_files = label_files
    files.leave_out([path for path in files.others if path != said_by], "neither a picture nor a mask")
    return parsed


def _is_deep(path: Path) -> bool:
    """Whether a picture has more than 8 bits of gray."""
    try:
        with Image.open(path) as picture:
            return picture.mode in ("I", "F") or picture.mode.startswith("I;16")
    except Exception:  # it is a finding when it is decoded
        return False


def _class_names(files: AnnotatedFiles) -> tuple[list[str], dict[Color, int], Path | None]:
    """Names of the classes by number, numbers by color where colors are said, and the file that says them."""
    named = [path for name in _NAME_FILES for path in files.others if path.name == name]
    if not named:
        return [], {}, None
    path = min(named, key=lambda path: len(files.parts(path)))
    names: list[str] = []
    colors: dict[Color, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        if rest and (color := rest.split(":")[0]):
            try:
                red, green, blue = (int(part) for part in color.split(","))
            except ValueError:
                raise DataError(f"{path}:{number}: a class is written name or name:red,green,blue") from None
            colors[red, green, blue] = len(names)
        names.append(name)
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path}: two classes are called {twice[0]!r}")
    return names, colors, path


class _Masks:
    """The masks of all pictures.

    Args:
        names: Of the classes by number; empty where nothing says them.
        colors: Numbers by color.
        parsed: Where what is wrong is noted.
    """

    def __init__(self, names: list[str], colors: Mapping[Color, int], parsed: ParsedLabels) -> None:
        self._names = names
        self._colors = colors
        self._parsed = parsed
        self._values: set[int] = set()
        self._renumbered = 0
        self._numbered: list[AnnotatedPicture] = []  # whose objects get the names of their classes at the end

    def read(self, picture: AnnotatedPicture, paths: Mapping[str, Path], files: AnnotatedFiles) -> bool:
        """Read the masks of a picture; False where something is wrong with one, which is noted."""
        numbers = {}
        for kind, path in paths.items():
            try:
                numbers[kind] = read_numbers(path, self._colors if kind == "classes" else None)
                column = "instances" if len(paths) == 2 and kind == "instances" else "mask"
                picture.columns[column] = {"bytes": None, "path": str(path)}
                if kind == "instances":
                    objects, changed = consecutive(numbers[kind])
                    self._renumbered += changed
                    if changed:
                        picture.columns[column] = {"bytes": png_of_numbers(objects), "path": None}
                    self._add_objects(picture, objects, numbers.get("classes"))
                else:
                    self._add_classes(picture, numbers[kind])
            except ValueError as error:
                self._parsed.findings.append(Finding(files.relative(path), "bad mask", str(error)))
                return False
        return True

    def _add_classes(self, picture: AnnotatedPicture, numbers: NDArray[Any]) -> None:
        if numbers.min(initial=0) < 0 or numbers.max(initial=0) > VOID:
            raise ValueError(f"its numbers go from {numbers.min()} to {numbers.max()}, not from 0 to {VOID}")
        values = np.flatnonzero(np.bincount(numbers.ravel().astype(np.uint8), minlength=VOID + 1)).tolist()
        unknown = [value for value in values if value != VOID and self._names and value >= len(self._names)]
        if unknown:
            raise ValueError(f"it holds {unknown[0]}, and the classes are 0 to {len(self._names) - 1}")
        if self._colors:
            picture.columns["mask"] = {"bytes": png_of_numbers(numbers), "path": None}
        self._values.update(values)
        picture.columns["classes"] = values

    def _add_objects(
        self, picture: AnnotatedPicture, objects: NDArray[np.uint16], classes: NDArray[Any] | None
    ) -> None:
        if classes is not None and classes.shape != objects.shape:
            raise ValueError("it is of another size than the mask of classes")
        for number, (box, area) in enumerate(boxes_of_numbers(objects), 1):
            category = 0
            if classes is not None:
                counts = np.bincount(classes[objects == number])[1:VOID]
                category = int(counts.argmax()) + 1 if counts.any() else 0
                if category == 0:
                    raise ValueError(f"object {number} is of no class: the mask of classes is background there")
            place = f"{picture.place}, object {number}"
            picture.annotations.append(Annotation(box, str(category), place, area))
        self._numbered.append(picture)

    def finish(self, present: Sequence[str]) -> None:
        """Name the classes, once all numbers have been seen."""
        from datasets import ClassLabel, Image, List

        parsed = self._parsed
        pictures = [picture for of_split in parsed.splits.values() for picture in of_split]
        names = self._names
        if "classes" in present:
            if self._values == {0, VOID} or self._values == {VOID}:
                self._from_two_values(pictures)
                self._values = {0, 1}
                names = names or [BACKGROUND, "foreground"]
            highest = max(self._values - {VOID}, default=0)
            names = names or [BACKGROUND, *(f"class {number}" for number in range(1, highest + 1))]
            parsed.features |= {"mask": Image(), "classes": List(ClassLabel(names=names))}
            for picture in pictures:
                picture.columns["classes"] = [value for value in picture.columns["classes"] if value != VOID]
        if "instances" in present:
            parsed.features["instances" if "classes" in present else "mask"] = Image()
            of_objects = self._names_of_objects(names, both="classes" in present)
            for picture in self._numbered:
                for one in picture.annotations:
                    one.category = of_objects[max(0, int(one.category) - 1)]
            parsed.classes = of_objects
        if self._renumbered:
            parsed.notes.append(f"the objects of {self._renumbered:,} masks are numbered anew, without gaps")

    def _from_two_values(self, pictures: Sequence[AnnotatedPicture]) -> None:
        """Make 255 the class 1."""
        for picture in pictures:
            numbers = (read_numbers(picture.columns["mask"]) == VOID).astype(np.uint8)
            picture.columns["mask"] = {"bytes": png_of_numbers(numbers), "path": None}
            picture.columns["classes"] = np.unique(numbers).tolist()

    def _names_of_objects(self, names: list[str], *, both: bool) -> list[str]:
        """Names of the classes that objects have, without that of the background."""
        if both:
            return names[1:]
        named = [name for name in names if name != BACKGROUND]
        if len(named) > 1:
            raise DataError(
                f"{len(named)} classes are named, and nothing says of which an object is: add masks of classes in a "
                "folder masks/ beside instances/"
            )
        return named or ["object"]
