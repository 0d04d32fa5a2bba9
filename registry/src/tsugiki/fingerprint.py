"""Fingerprints of content: what a data set or a tensor holds, whatever its path, time or storage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

_ROWS_AT_ONCE = 1000
_MEDIA_AT_ONCE = 64


def content_fingerprint(dataset: Dataset) -> str:
    """A hash of column names, values and media bytes.

    Equal for the same rows read from parquet, from disk, from a folder of files, concatenated or selected; different
    when a row, a value, a byte of an image or the order of rows changes. `datasets`' own ``_fingerprint`` follows path
    and time and is no use for this.

    Args:
        dataset: The data.

    Returns:
        16 hexadecimal digits of a SHA-256.
    """
    from datasets import Array2D, Array3D, Array4D, Array5D, Audio, Image

    fixed = (Array2D, Array3D, Array4D, Array5D)
    arrays = [n for n, kind in sorted(dataset.features.items()) if isinstance(kind, fixed) and None not in kind.shape]
    media = {name for name, feature in dataset.features.items() if isinstance(feature, Image | Audio)}
    for name in media:
        dataset = dataset.cast_column(name, type(dataset.features[name])(decode=False))
    columns = sorted(dataset.column_names)
    digest = hashlib.sha256(json.dumps([columns, len(dataset)]).encode())
    listed = [name for name in columns if name not in arrays]
    by_column = {name: dataset.select_columns([name]) for name in listed}
    for start in range(0, len(dataset), _ROWS_AT_ONCE):
        rows = range(start, min(start + _ROWS_AT_ONCE, len(dataset)))
        for name, column in by_column.items():
            if name in media:
                for value in encoded_media(column, name, rows):
                    digest.update(hashlib.sha256(_media_bytes(value)).digest())
            else:
                values = column.with_format(None)[rows][name]
                digest.update(json.dumps(values, ensure_ascii=False, sort_keys=True, default=str).encode())
    if arrays:  # as bytes: a list of their numbers takes a hundred times as long
        for rows in dataset.with_format("numpy").select_columns(arrays).iter(_ROWS_AT_ONCE):
            for name in arrays:
                digest.update(f"{rows[name].dtype}{rows[name].shape}".encode())
                digest.update(rows[name].tobytes())
    return digest.hexdigest()[:16]


def encoded_media(dataset: Dataset, column: str, rows: range | None = None) -> Iterator[dict[str, Any] | None]:
    """The records of bytes and path of a column that is not decoded, of which few are held at once.

    Args:
        dataset: The data.
        column: Of pictures or recordings, cast to ``decode=False``.
        rows: Which rows, next to each other; all by default.
    """
    encoded = dataset.select_columns([column]).with_format("arrow")
    rows = range(len(dataset)) if rows is None else rows
    for start in range(rows.start, rows.stop, _MEDIA_AT_ONCE):
        for value in encoded[range(start, min(start + _MEDIA_AT_ONCE, rows.stop))][column]:
            yield value.as_py()


def checked_fingerprint(
    dataset: Dataset, expected: str | None, *, called: str, said_by: str, rows: int | None = None
) -> str:
    """The content fingerprint of a data set that should be a certain one.

    Args:
        dataset: The data.
        expected: Its fingerprint; None where any data will do.
        called: What to call the data, such as ``ylecun/mnist [train]``.
        said_by: Who expects it, such as ``the recipe``.
        rows: The number of rows that is expected, which tells more where it differs.

    Raises:
        DataError: It is other data.
    """
    if rows is not None and len(dataset) != rows:
        raise DataError(f"{called} has {len(dataset):,} rows, {said_by} says {rows:,}; it is other data")
    found = content_fingerprint(dataset)
    if expected is not None and found != expected:
        raise DataError(f"{called} has the fingerprint {found}, {said_by} says {expected}; it is other data")
    return found


def _media_bytes(value: Mapping[str, Any] | None) -> bytes:
    if value is None:
        return b""
    if value.get("bytes") is not None:
        return bytes(value["bytes"])
    return Path(value["path"]).read_bytes()


def tensors_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A hash of named tensors: names, types, shapes and values, wherever they live.

    Returns:
        64 hexadecimal digits of a SHA-256.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def options_fingerprint(options: Mapping[str, Any]) -> str:
    """What tells options from others, and nothing of the paths and tokens in them."""
    plain = json.loads(json.dumps(options, default=str))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
