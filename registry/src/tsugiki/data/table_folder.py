"""Folders of tables as data: every file that is found is read, or left out and named.

Nothing is guessed from a word in a name. A table makes a split where that is all its name says, ``train.csv`` or, as
the Hub names parts of a split, ``train-00000-of-00002.parquet``, and so do all tables of a folder `train` at the top;
see `tsugiki.data.media_folder.SPLITS`. Without any such name all tables are `train`. Where a README.md declares
``configs:``, it says which files make which split.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..file_tree import EMPTY_FOLDER, FileCount, FileSorting, listed_files, readable, walk
from .csv_tables import load_table
from .media_folder import LIKE_SPLITS, SPLITS

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

CARD = "README.md"
ABOUT = "says what the data is"
TABLE_KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # by suffix: what `datasets` calls it, and its options
    ".parquet": ("parquet", {}),
    ".csv": ("csv", {}),
    ".tsv": ("csv", {"sep": "\t"}),
    ".json": ("json", {}),
    ".jsonl": ("json", {}),
}
_OTHER_KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # of folders alone, where there are none of the above
    ".arrow": ("arrow", {}),
    ".txt": ("text", {}),
    **dict.fromkeys((".zip", ".tar", ".gz"), ("", {})),  # `datasets` looks inside
}
_SHARD = re.compile(r"(?P<split>\w+)-\d{5}-of-\d{5}(-\w+)?")
_NUMBER = re.compile(r"[-_. ]?\d+\Z")
_ABOUT = re.compile(r"readme|licen[cs]e|dataset_infos", re.IGNORECASE)


@dataclass(frozen=True)
class TableFolder:
    """A folder of tables.

    Attributes:
        files: Tables by split.
        kinds: By split, what `datasets` calls them (empty where it looks inside archives), and what it needs to read
            them.
        count: What became of all files of the folder.
    """

    files: Mapping[str, Sequence[Path]]
    kinds: Mapping[str, tuple[str, Mapping[str, Any]]]
    count: FileCount

    def dataset(self) -> DatasetDict:
        """The splits as data."""
        import datasets

        read: dict[str, Dataset] = {}
        for kind, options in {str(of_split): of_split for of_split in self.kinds.values()}.values():
            files = {
                split: [glob.escape(str(path)) for path in paths]
                for split, paths in self.files.items()
                if self.kinds[split] == (kind, options)
            }
            read |= load_table(kind or str(self.count.folder), data_files=files, **options)
        return datasets.DatasetDict({split: read[split] for split in self.files})


def read_table_folder(folder: str | Path) -> TableFolder:
    """Sort the tables of a folder into splits.

    Args:
        folder: The folder; one in which all tables lie is passed through.

    Raises:
        DataError: There are no tables, or two names for one split.
    """
    folder = Path(folder)
    sorting = FileSorting(folder)
    files, left_out = sorting.paths, sorting.left_out

    def leave_out(path: Path, reason: str) -> None:
        sorting.leave_out([path], reason)

    about = [path for path in files if is_about(path)]
    kinds = {path: TABLE_KINDS.get(path.suffix.lower()) for path in files if path not in about}
    if not any(kinds.values()):
        kinds = {path: _OTHER_KINDS.get(path.suffix.lower()) for path in kinds}
    for path, of_path in kinds.items():
        if of_path is None:
            leave_out(path, "not a table by the suffix")
    for path in about:
        leave_out(path, ABOUT)
    tables = {path: kind for path, kind in kinds.items() if kind is not None}
    if not tables:
        raise DataError(f"{folder} holds no tables: {listed_files(left_out) or 'no files'}")
    placed = _below_first_choice({path: path.relative_to(folder).parts for path in tables})
    named = {path: _split_of(parts) for path, parts in placed.items()}
    found: dict[str, list[Path]] = {}
    how = f"splits are files or folders called {', '.join(SPLITS)}"
    note = ""
    if not any(named.values()):
        if inside := [path for path, parts in placed.items() if _names_split_below(parts)]:
            shown = ", ".join(readable(path.relative_to(folder).as_posix()) for path in inside[:5])
            raise DataError(f"{folder}: {shown} look like splits below other tables; {how}, at the top: move or rename")
        called = sorted({_stem(parts) for parts in placed.values()})
        words = {_NUMBER.sub("", name.lower()) for name in called}
        if len(words) > 1 and words <= LIKE_SPLITS:
            raise DataError(f"{folder}: {', '.join(called)} look like splits; {how}: rename them")
        found["train"] = list(placed)
        if len(placed) > 1:
            note = f"all are one split, train: {how}"
    else:
        others = sorted({readable(placed[path][0]) for path, name in named.items() if not name})
        if others and "train" not in named.values():
            raise DataError(
                f"{folder}: {', '.join(others[:5])} beside {', '.join(sorted({*named.values()} - {''}))}: which are "
                f"splits cannot be told; {how}: move or rename the others"
            )
        for path, name in named.items():
            found.setdefault(name, []).append(path) if name else leave_out(path, "beside the splits")
    splits: dict[str, list[Path]] = {}
    kind_of: dict[str, tuple[str, dict[str, Any]]] = {}
    for name in sorted(found, key=lambda name: [*SPLITS, name].index(name)):
        if (split := SPLITS.get(name, name)) in splits:
            raise DataError(f"{folder}: {', '.join(found)} name one split twice; join them or move one away")
        if len({len(placed[path]) > 1 for path in found[name]}) > 1:
            raise DataError(f"{folder}: a table and a folder {name} name one split twice; join them or move one away")
        counts = Counter(str(tables[path]) for path in found[name])
        kind_of[split] = max((tables[path] for path in found[name]), key=lambda kind: counts[str(kind)])
        splits[split] = [path for path in found[name] if tables[path] == kind_of[split]]
        for path in found[name]:
            if tables[path] != kind_of[split]:
                leave_out(path, "a table of another kind than most")
    read = {split: len(paths) for split, paths in splits.items()}
    return TableFolder(splits, kind_of, FileCount(folder, read, left_out, note=note))


def count_declared(folder: Path, files: Mapping[str, Sequence[str]]) -> FileCount:
    """What became of the files of a folder whose card declares by ``configs:`` which are read.

    Args:
        folder: The folder.
        files: Those that `datasets` found for the card's patterns, by split.
    """
    read = {split: {Path(path).resolve() for path in paths} for split, paths in files.items()}
    every = set().union(*read.values())
    left_out: dict[str, list[str]] = {}
    for file in walk(folder):
        if file.reason != EMPTY_FOLDER and file.path.resolve() not in every:
            about = ABOUT if is_about(file.path) else f"not in configs: of {CARD}"
            name = readable(file.path.relative_to(folder).as_posix())
            left_out.setdefault(file.reason or about, []).append(name)
    return FileCount(folder, {split: len(paths) for split, paths in read.items()}, left_out)


def is_about(path: Path) -> bool:
    """Whether a file says what the data is, and is none of it: a README, a licence."""
    return _ABOUT.match(path.name) is not None


def _below_first_choice(placed: dict[Path, tuple[str, ...]]) -> dict[Path, tuple[str, ...]]:
    """The parts of paths without the folders that all lie in, up to one that is called as a split."""
    while len({parts[0] for parts in placed.values()}) == 1 and all(len(parts) > 1 for parts in placed.values()):
        if next(iter(placed.values()))[0] in SPLITS:
            break
        placed = {path: parts[1:] for path, parts in placed.items()}
    return placed


def _split_of(parts: tuple[str, ...]) -> str:
    """The split that a table's place names, as it is written; empty where none."""
    if len(parts) > 1:
        return parts[0] if parts[0] in SPLITS else ""
    stem = _stem(parts)
    shard = _SHARD.fullmatch(stem)
    return shard["split"] if shard else stem if stem in SPLITS else ""


def _names_split_below(parts: tuple[str, ...]) -> bool:
    """Whether a table that names no split at the top does so further down."""
    return any(part in SPLITS for part in parts[1:-1]) or (len(parts) > 1 and bool(_split_of(parts[-1:])))


def _stem(parts: tuple[str, ...]) -> str:
    """The first part of a path as a split would be called: of a file without the suffix, ``dev.2`` of ``dev.2.csv``."""
    return parts[0] if len(parts) > 1 else Path(parts[0].removesuffix(".gz")).stem
