"""Data sets by name: a Hub id, a local mirror of it, a folder of files, an object in memory, or made by rule."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, did_you_mean
from ..file_tree import FileCount
from ..mirror import HUB_ID, MIRROR_VARIABLE, mirror_folder
from .csv_tables import load_table
from .formats import refuse_no_folder, sorted_folder
from .table_folder import ABOUT, TABLE_KINDS, count_declared

if TYPE_CHECKING:
    from datasets import Dataset

OWN_NAMESPACE = "tsugiki/"
IN_MEMORY = "data in memory"  # what a card calls a data set that has no name
_told: set[str] = set()  # what was said of folders

logger = logging.getLogger(__name__)


def local_paths(*data: Any) -> list[Path]:
    """The files and folders on this machine that data sets are read from; none for what has no name or is elsewhere."""
    named = [name for name in data if isinstance(name, str | Path)]
    found = [(mirror_folder(name) if isinstance(name, str) else None) or Path(name) for name in named]
    return [path for path in found if _exists(path)]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def missing_message(data_id: str, source: str | None = None) -> str:
    """What to tell whoever has not got a data set."""
    where = f" It comes from {source}." if source else ""
    if data_id.startswith(OWN_NAMESPACE):
        return (
            f"data set {data_id!r} is not on the Hub; put it under a folder and name that folder in "
            f"{MIRROR_VARIABLE}.{where}"
        )
    return f"data set {data_id!r} is neither in the mirror ({MIRROR_VARIABLE}) nor reachable on the Hub.{where}"


def _load(data: str | Path, revision: str | None, config: str | None, source: str | None) -> Any:
    """Everything behind a name or path, as a `DatasetDict`."""
    import datasets

    path = Path(data)
    text = str(data)
    datasets.disable_progress_bars()
    # A folder's README need not be a card.
    logging.getLogger("huggingface_hub.repocard").setLevel(logging.ERROR)
    if isinstance(data, str) and (folder := mirror_folder(data)) is not None:
        path = folder
    try:
        if not path.is_dir():
            refuse_no_folder(data)
        if path.is_file():
            if path.suffix.lower() not in TABLE_KINDS:
                raise DataError(f"{data}: a data file must end in {', '.join(TABLE_KINDS)}")
            kind, options = TABLE_KINDS[path.suffix.lower()]
            return load_table(kind, data_files=str(path), **options)
        if path.is_dir():
            if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
                loaded = datasets.load_from_disk(str(path))
                return loaded if isinstance(loaded, dict) else datasets.DatasetDict(train=loaded)
            found = None if config is not None else sorted_folder(path)
            _tell(_declared(path, config) if found is None else found.count)
            return load_table(str(path), name=config, cache_dir=_cache_of(path)) if found is None else found.dataset()
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{data} cannot be read as a data set: {reason}") from error
    if not HUB_ID.match(text) or text.startswith((".", "/", "~")):
        raise DataError(f"data {text!r} is neither a file, a folder nor a Hub id 'org/name'")
    if text.startswith(OWN_NAMESPACE):
        raise DataError(missing_message(text, source))
    try:
        return load_table(text, name=config, revision=revision)
    except Exception as error:  # offline, refused, unknown: hub and httpx errors of many kinds
        raise DataError(missing_message(text, source)) from error


def _declared(folder: Path, config: str | None) -> FileCount:
    """What becomes of the files of a folder whose card says which are read."""
    import datasets

    builder = datasets.load_dataset_builder(str(folder), name=config, cache_dir=_cache_of(folder))
    return count_declared(folder, builder.config.data_files or {})


def _cache_of(folder: Path) -> str:
    """Where `datasets` keeps what it made of a folder: a place for this path, with these files as they are now.

    Its own cache goes by the folder's last name where a README declares ``configs:``, so that another folder of that
    name, or the same one after a change, would get the old rows.
    """
    import datasets

    digest = hashlib.sha256(str(folder.resolve()).encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            stat = file.stat()
            digest.update(f"{file.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return str(Path(datasets.config.HF_DATASETS_CACHE, "tsugiki", digest.hexdigest()[:16]))


def made_dataset(*splits: str) -> Callable[[Callable[[str], Dataset]], Callable[[str], Dataset]]:
    """Declare a function that makes a data set by rule out of other data, the same on every machine.

    A plugin names it in `Plugin.datasets`; `load_split` then finds it by its id like any other data set:

        @made_dataset("train", "test")
        def make_moving_mnist(split: str) -> Dataset: ...

    Args:
        splits: The splits that the function makes.
    """

    def declare(make: Callable[[str], Dataset]) -> Callable[[str], Dataset]:
        make.splits = splits  # type: ignore[attr-defined]
        return make

    return declare


def _maker(data: Any) -> Any:
    """The function that makes this data set, or None. A folder of the mirror goes first."""
    from ..registry import registry

    if not isinstance(data, str) or not HUB_ID.match(data) or mirror_folder(data) is not None:
        return None
    return registry().dataset_maker(data)


def _tell(count: FileCount) -> None:
    """Say once a process, however many splits are taken, which files of a folder are left out or count elsewhere."""
    if (set(count.left_out) - {ABOUT} or count.nested or count.note) and (line := str(count)) not in _told:
        _told.add(line)
        logger.warning(line)


def file_count(data: Any) -> FileCount | None:
    """What becomes of the files of a folder; None for other data."""
    if not isinstance(data, str | Path) or _maker(data) is not None:
        return None
    path = mirror_folder(str(data)) or Path(data)
    if not path.is_dir() or (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        return None
    found = sorted_folder(path)
    return _declared(path, None) if found is None else found.count


def splits(data: Any, *, config: str | None = None) -> list[str]:
    """Names of the splits; empty for a single `Dataset`."""
    if (make := _maker(data)) is not None:
        return list(make.splits)
    if isinstance(data, str | Path):
        data = _load(data, None, config, None)
    return list(data.keys()) if isinstance(data, dict) else []


def load_split(
    data: Any,
    split: str | None,
    *,
    revision: str | None = None,
    config: str | None = None,
    source: str | None = None,
) -> Dataset:
    """One split of a data set.

    Args:
        data: A Hub id (looked up first in the mirror), a folder (in a format of a plugin, see
            `tsugiki.data.plugin_folder`; class folders of pictures or recordings, as `media_folder` reads them; tables,
            as `tsugiki.data.table_folder` does; or saved by `datasets`), a file, a `Dataset`, or a `DatasetDict`.
        split: The split's name; None where there is only one.
        revision: Commit of a Hub data set.
        config: Configuration name of a data set that has several.
        source: Where the data comes from, for the error when it is missing.

    Raises:
        DataError: It cannot be found or read, or has no such split.
    """
    if (make := _maker(data)) is not None:
        refuse_no_folder(data)
        return make(_pick(data, split, make.splits))
    loaded = _load(data, revision, config, source) if isinstance(data, str | Path) else data
    if not isinstance(loaded, dict):
        if not hasattr(loaded, "features"):
            raise DataError(f"data must be a name, a folder, a Dataset or a DatasetDict, not {type(loaded).__name__}")
        return loaded
    return loaded[_pick(data, split, list(loaded))]


def _pick(data: Any, split: str | None, names: Sequence[str]) -> str:
    """The split that is asked for, or the only one."""
    if split is None:
        if len(names) != 1:
            raise DataError(f"{_called(data)} has the splits {', '.join(names)}; name one")
        return names[0]
    if split not in names:
        raise DataError(f"{_called(data)} has no split {split!r}, only {', '.join(names)}.{did_you_mean(split, names)}")
    return split


def _called(data: Any) -> str:
    return f"data set {str(data)!r}" if isinstance(data, str | Path) else "the data"
