"""Where pictures and their labels lie in a folder, and which belong together.

A picture and its labels have one name, ``cat.jpg`` and ``cat.xml``, and lie beside each other or in folders that differ
only in words such as ``images`` and ``labels``: ``images/train/cat.jpg`` and ``labels/train/cat.txt``, as well as
``train/images/cat.jpg`` and ``train/labels/cat.txt``. Splits are folders with the names of `SPLITS` anywhere, a number
behind them aside (``train2017``), or lists of names such as ``ImageSets/Main/train.txt``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath

from tsugiki.data.media_folder import SPLITS
from tsugiki.data.table_folder import ABOUT, is_about
from tsugiki.errors import DataError
from tsugiki.file_tree import FileSorting
from tsugiki.inputs import PICTURES

from .annotation import Finding

LAYOUT_WORDS = {
    *("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "data", "obj_train_data", "obj"),
    *("labels", "label", "annotations", "annotation", "xml", "xmls", "txt"),
    *("masks", "mask", "class_masks", "segmentationclass"),
    *("instances", "instance_masks", "segmentationobject"),
}
SPLIT_ORDER = ("train", "validation", "test")
_TEXT_LIMIT = 2**26  # bytes of a list, a file of names or of one picture's labels; what is larger is something else


class AnnotatedFiles(FileSorting):
    """The files below a folder, pictures apart from the others."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self.pictures = [path for path in self.paths if PICTURES.holds(path)]
        about = [path for path in self.paths if is_about(path)]
        self.leave_out(about, ABOUT)
        known = {*self.pictures, *about}
        self.others = [path for path in self.paths if path not in known]
        self.split_folders: dict[tuple[str, ...], str] = {}  # what a file of the format says of folders

    def split_of(self, path: Path) -> str:
        """The split that a folder above the file names; empty where none does."""
        if self.split_folders:
            parts = self.parts(path)
            for length in range(len(parts) - 1, -1, -1):
                if (split := self.split_folders.get(parts[:length])) is not None:
                    return split
        return next((split for part in self.parts(path)[:-1] if (split := split_named(part))), "")

    def key(self, path: Path) -> tuple[str, ...]:
        """What a picture and its labels have in common."""
        *folders, name = self.parts(path)
        lowered = [part.lower() for part in folders]
        inner = [part for part in lowered if part not in LAYOUT_WORDS and not split_named(part)]
        return (*inner, self.split_of(path), Path(name).stem)

    def with_suffix(self, suffix: str) -> list[Path]:
        """Files that are no pictures and end so."""
        return [path for path in self.others if path.suffix.lower() == suffix]


def has_below(folder: str | Path, *, suffixes: tuple[str, ...] = (), folders: Collection[str] = ()) -> bool:
    """Whether a file below a folder ends in one of these, or a folder is called so, in any letters.

    Every reader asks this of every folder of pictures, and it takes a tenth of the time of `AnnotatedFiles`.
    """
    seen = set()
    for top, inner, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(top)) in seen:
            inner.clear()
            continue
        seen.add(real)
        if any(name.lower().endswith(suffixes) for name in names) or any(name.lower() in folders for name in inner):
            return True
    return False


def split_named(word: str) -> str:
    """The split that a word names, a number behind it aside; empty where it names none."""
    return SPLITS.get(re.sub(r"[-_]?\d+\Z", "", word.lower()), "")


def pairs(files: AnnotatedFiles, pictures: Sequence[Path], labels: Iterable[Path]) -> dict[Path, list[Path]]:
    """The labels of each picture, by its place and name, else by a name that one picture has alone.

    Args:
        files: The folder.
        pictures: Those of the data.
        labels: Files with the labels of a picture each.

    Returns:
        Labels by picture; those that no one picture has stand under the folder itself.
    """
    by_key: dict[tuple[str, ...], list[Path]] = {}
    by_stem: dict[str, list[Path]] = {}
    for picture in pictures:
        by_key.setdefault(files.key(picture), []).append(picture)
        by_stem.setdefault(picture.stem, []).append(picture)
    found: dict[Path, list[Path]] = {}
    for path in labels:
        named = by_key.get(files.key(path)) or by_stem.get(path.stem, [])
        split = files.split_of(path)
        if len(named) > 1 and split:
            named = [picture for picture in named if files.split_of(picture) == split] or named
        found.setdefault(named[0] if len(named) == 1 else files.folder, []).append(path)
    return found


def in_splits(
    files: AnnotatedFiles,
    pictures: Sequence[Path],
    lists: Mapping[str, Sequence[tuple[str, str]]],
    findings: list[Finding],
) -> dict[str, list[Path]]:
    """Pictures by split, train first; all are ``train`` where nothing names a split.

    Args:
        files: The folder; pictures in no split, where others are in one, are left out of it.
        pictures: Those of the data.
        lists: By split, the lines of lists in the folder: place and the picture's name, without suffix or with.
        findings: What is wrong with the lists is added here.
    """
    found: dict[str, list[Path]] = {}
    if lists:
        by_name: dict[str, list[Path]] = {}
        for picture in pictures:
            for name in {picture.stem, picture.name}:
                by_name.setdefault(name, []).append(picture)
        split_of: dict[Path, str] = {}
        for split, lines in lists.items():
            for place, name in lines:
                named = named_picture(files, by_name, name, files.folder, split)
                if named is None:
                    text = f"no one picture of the folder is called {name!r}"
                    findings.append(Finding(place, "unknown picture", text))
                elif split_of.setdefault(named, split) != split:
                    text = f"{name!r} is in the list of {split_of[named]} too"
                    findings.append(Finding(place, "picture in two splits", text))
                else:
                    found.setdefault(split, []).append(named)
        files.leave_out([picture for picture in pictures if picture not in split_of], "in no list of a split")
    else:
        for picture in pictures:
            found.setdefault(files.split_of(picture), []).append(picture)
        loose = found.pop("", [])
        if found:
            files.leave_out(loose, "beside the splits")
        elif loose:
            found["train"] = loose
    return {split: list(dict.fromkeys(found[split])) for split in SPLIT_ORDER if split in found}


def named_picture(
    files: AnnotatedFiles, by_name: Mapping[str, list[Path]], name: str, near: Path, split: str
) -> Path | None:
    """The picture that a file of labels names.

    Args:
        files: The folder.
        by_name: Its pictures by their last name.
        name: As it is written, with folders or without, with either kind of slash.
        near: The file of labels: of several pictures, one of its split and nearest to it is meant.
        split: The split of the labels.

    Returns:
        The picture; None where there is none, or several are as near.
    """
    parts = PureWindowsPath(name).parts
    best: list[Path] = []
    best_rank: tuple[int, bool, int] | None = None
    for path in by_name.get(parts[-1], []) if parts else []:
        of_path = files.parts(path)
        shared = sum(one == other for one, other in zip(of_path, files.parts(near), strict=False))
        rank = (_shared_end(of_path[:-1], parts[:-1]), files.split_of(path) == split, shared)
        if best_rank is None or rank > best_rank:
            best, best_rank = [path], rank
        elif rank == best_rank:
            best.append(path)
    return best[0] if len(best) == 1 else None


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts at the end of two paths are the same."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count


def list_lines(files: AnnotatedFiles, paths: Iterable[Path]) -> list[tuple[str, str]]:
    """The names in lists with their places; a -1, 0 or 1 that Pascal VOC puts behind a name is none of it."""
    return [
        (f"{files.relative(path)}:{number}", re.sub(r"\s+-?[01]\Z", "", line.strip()))
        for path in paths
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if line.strip()
    ]


def read_text(path: Path) -> str:
    """The text of a file of labels or names, without a mark of its encoding.

    Raises:
        DataError: It is no text in UTF-8, or too large for one.
    """
    try:
        if path.stat().st_size > _TEXT_LIMIT:
            raise DataError(f"{path} has more than {_TEXT_LIMIT // 2**20} MB, too much for the labels of a picture")
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def beginning(path: Path, size: int = 2**16) -> str:
    """The first signs of a file, whatever it holds; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8-sig", "replace")
    except OSError:
        return ""
