"""Folders of pictures or recordings as data: every file that is found is read, or left out and named.

Nothing is guessed from a word in a name. Splits are folders with the names of `SPLITS` at the top, and a class is a
folder below them with all that lies in it. A table `metadata.csv` (or jsonl, parquet) beside the files may say more of
each: its column `file_name` names them.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..file_tree import FileCount, FileSorting, listed_files, readable
from ..heic import heic_hint
from ..inputs import PICTURES, RECORDINGS
from .csv_tables import load_table

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    Rows = list[tuple[Path, str | None]]  # files and their classes, None for a file in none
    Placed = dict[Path, tuple[str, ...]]  # files, and the parts of their paths below some folder

SPLITS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_KINDS = {"image": PICTURES, "audio": RECORDINGS}  # by the column that holds such files
_TABLES = {
    ".parquet",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".arrow",
    ".txt",
    ".zip",
    ".tar",
    ".gz",
}  # what `datasets` reads
LIKE_SPLITS = {*SPLITS, "training", "testing", "eval", "evaluation"}


@dataclass(frozen=True)
class MediaFolder:
    """A folder of pictures or recordings.

    Attributes:
        column: ``image`` or ``audio``.
        rows: Files and their classes by split.
        tables: The table beside the files of a split, by split; its files are then in no class.
        count: What became of all files of the folder.
    """

    column: str
    rows: Mapping[str, Rows]
    tables: Mapping[str, Dataset]
    count: FileCount

    def dataset(self) -> DatasetDict:
        """The splits as data: a column of the files, and `label` or the columns of the table beside them."""
        import datasets

        classes = sorted({name for rows in self.rows.values() for _, name in rows if name is not None})
        made = {}
        for split, rows in self.rows.items():
            columns = [column_of_files(self.column, [path for path, _ in rows])]
            if split in self.tables:
                columns.append(self.tables[split])
            elif classes:
                label = datasets.ClassLabel(names=classes)
                numbers = [None if name is None else classes.index(name) for _, name in rows]
                columns.append(datasets.Dataset.from_dict({"label": numbers}, datasets.Features(label=label)))
            made[split] = datasets.concatenate_datasets(columns, axis=1)
        return datasets.DatasetDict(made)


def read_media_folder(folder: str | Path) -> MediaFolder | None:
    """Sort the files of a folder into splits and classes; None where most that it holds are tables.

    A folder in which all others lie is passed through. Where all folders at the top have names of `SPLITS`, they are
    splits; where some have, they are classes like those beside them, unless they hold folders of classes.

    Args:
        folder: The folder.

    Raises:
        DataError: A folder is empty, nothing can be read, or it cannot be told which folders are splits.
    """
    folder = Path(folder)
    sorting = FileSorting(folder)
    left_out, leave_out = sorting.left_out, sorting.leave_out
    if sorting.empty:
        raise DataError(f"the folder {readable(sorting.empty[0])} is empty; add examples or remove it")
    files: Placed = {path: sorting.parts(path) for path in sorting.paths}
    kinds = {path: next((column for column, kind in _KINDS.items() if kind.holds(path)), None) for path in files}
    counts = Counter(column for column in kinds.values() if column is not None)
    tables = [path for path in files if path.suffix.lower() in _TABLES and not (counts and path.name in METADATA)]
    if len(tables) > counts.total():
        return None
    if not counts:
        leave_out(files, f"neither a picture, a recording nor a table by the suffix{heic_hint(files)}")
        raise DataError(f"{folder} holds nothing that can be read: {listed_files(left_out) or 'no files'}")
    column = max(_KINDS, key=lambda name: counts[name])
    others = [path for path, kind in kinds.items() if kind != column and path.name not in METADATA]
    leave_out(
        others,
        f"not {_KINDS[column].called} that can be opened, by the suffix{heic_hint(others)}",
    )
    media = {path: parts for path, parts in files.items() if kinds[path] == column}
    start = _passed_through(media.values())
    placed = {path: parts[start:] for path, parts in files.items() if path in media or path.name in METADATA}
    splits = _splits_of(folder, [parts[start:] for parts in media.values()])
    if splits:
        leave_out([path for path, parts in placed.items() if parts[0] not in splits], "beside the splits")
    parts_of: dict[str, Placed] = {split: {} for split in splits.values()} or {"train": {}}
    for path, parts in placed.items():
        if not splits:
            parts_of["train"][path] = parts
        elif parts[0] in splits:
            parts_of[splits[parts[0]]][path] = parts[1:]
    rows, tables_of = {}, {}
    for split, below in parts_of.items():
        rows[split], table = _rows_of(column, below, leave_out)
        if table is not None:
            tables_of[split] = table
    nested = {
        readable(path.parent.relative_to(folder).as_posix()): None
        for split, below in parts_of.items()
        if split not in tables_of
        for path, parts in below.items()
        if len(parts) > 2
    }
    read = {split: len(of_split) for split, of_split in rows.items()}
    return MediaFolder(column, rows, tables_of, FileCount(folder, read, left_out, list(nested)))


def says_how_to_read(folder: Path) -> bool:
    """Whether the folder's card declares which files make which split."""
    from huggingface_hub import DatasetCard

    if not (folder / "README.md").is_file():
        return False
    try:
        return bool(DatasetCard.load(folder / "README.md").data.to_dict().get("configs"))
    except ValueError:
        return False


def _passed_through(media: Collection[tuple[str, ...]]) -> int:
    """How many folders, each the only one in that above it, all files lie in before the first choice."""
    start = 0
    while (
        len({parts[start] for parts in media}) == 1
        and all(len(parts) > start + 2 for parts in media)
        and next(iter(media))[start] not in SPLITS
    ):
        start += 1
    return start


def _splits_of(folder: Path, media: Collection[tuple[str, ...]]) -> dict[str, str]:
    """Folders at the top that are splits, and which; none where they are classes."""
    folders = sorted({parts[0] for parts in media if len(parts) > 1})
    named = [name for name in folders if name in SPLITS]
    with_folders = {parts[0] for parts in media if len(parts) > 2}
    others = [name for name in folders if name not in SPLITS]
    how = f"splits are called {', '.join(SPLITS)}, and lie alone at the top"
    if not named:
        if with_folders and all(name.lower() in LIKE_SPLITS for name in folders):
            raise DataError(f"{folder}: {', '.join(folders)} look like splits; {how}: rename them")
        return {}
    if others:
        if not with_folders.intersection(named):
            return {}  # a class may be called train
        raise DataError(
            f"{folder}: {', '.join(map(readable, others))} beside {', '.join(named)}: which are splits cannot be told; "
            f"{how}: move or rename the others"
        )
    if len({SPLITS[name] for name in named}) < len(named):
        raise DataError(f"{folder}: {', '.join(named)} name one split twice; join them or move one away")
    return {name: SPLITS[name] for name in sorted(named, key=list(SPLITS).index)}


def _rows_of(
    column: str, placed: Placed, leave_out: Callable[[Iterable[Path], str], None]
) -> tuple[Rows, Dataset | None]:
    """The files of one split with their classes, or with the table beside them."""
    tables = [path for path, parts in placed.items() if parts[-1] in METADATA]
    media = {path: parts for path, parts in placed.items() if parts[-1] not in METADATA}
    beside = [path for path in tables if len(placed[path]) == 1]
    leave_out([path for path in tables if path not in beside[:1]], "not beside the folders of its split")
    if not beside:
        has_classes = any(len(parts) > 1 for parts in media.values())
        loose = [path for path, parts in media.items() if has_classes and len(parts) == 1]
        leave_out(loose, "outside the folders of the classes")
        kept = {path: parts for path, parts in media.items() if path not in loose}
        return [(path, readable(parts[0]) if len(parts) > 1 else None) for path, parts in kept.items()], None
    table = _read_table(beside[0])
    leave_out(beside[:1], "the table of the files beside it")
    files = [beside[0].parent / str(name) for name in table["file_name"]]
    if missing := next((path for path in files if path not in media), None):
        raise DataError(f"{beside[0]} names {missing}, which is no file that can be opened")
    table = table.remove_columns("file_name")
    if column in table.column_names:
        raise DataError(f"{beside[0]} has a column {column!r}, which is that of the files; rename it")
    listed = set(files)
    leave_out([path for path in media if path not in listed], f"not in {beside[0].name}")
    return [(path, None) for path in files], table


def _read_table(path: Path) -> Dataset:
    """A table with the column `file_name`."""
    import datasets

    kind = {".csv": "csv", ".parquet": "parquet", ".jsonl": "json"}[path.suffix]
    try:
        table = load_table(kind, data_files=glob.escape(str(path)))["train"]
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error
    if "file_name" not in table.column_names:
        raise DataError(f"{path} has no column 'file_name' to name the files beside it, only {table.column_names}")
    return table


def column_of_files(column: str, files: Iterable[Path | Mapping[str, Any]]) -> Dataset:
    """Files as `datasets` holds media, by their paths; by their bytes where a path is no text.

    Args:
        column: ``image`` or ``audio``.
        files: Files, or what `datasets` holds of them already: their ``bytes`` and ``path``.
    """
    import datasets

    record = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    values = [_media_record(file) if isinstance(file, Path) else file for file in files]
    made = datasets.Dataset.from_dict({column: values}, datasets.Features({column: record}))
    return made.cast_column(column, datasets.Image() if column == "image" else datasets.Audio())


def _media_record(path: Path) -> Mapping[str, Any]:
    if readable(path) == str(path):
        return {"bytes": None, "path": str(path)}
    return {"bytes": path.read_bytes(), "path": None}
