"""The feature cache: tensors by key, in memory and on disk, the least recently used dropped first."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..cache_root import cache_root

if TYPE_CHECKING:
    from torch import Tensor

LIMIT_VARIABLE = "TSUGIKI_CACHE_LIMIT"
DEFAULT_LIMIT = 2 * 1024**3
MEMORY_LIMIT = 512 * 1024**2
_SUFFIX = ".safetensors"
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_TENSOR = "features"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheInfo:
    """What the feature cache holds.

    Attributes:
        folder: Where it lies.
        entries: Number of files.
        bytes: Their size together.
        limit: The size it is kept below.
    """

    folder: Path
    entries: int
    bytes: int
    limit: int


def cache_folder() -> Path:
    """Where features are kept: ``$TSUGIKI_CACHE/features``, by default ``~/.cache/tsugiki/features``."""
    return cache_root() / "features"


def cache_limit() -> int:
    """The size limit in bytes: ``TSUGIKI_CACHE_LIMIT``, 2 GiB by default; 0 keeps nothing on disk.

    Raises:
        OptionError: The variable does not hold a number of bytes.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text:
        return DEFAULT_LIMIT
    if not text.isdigit():
        from ..errors import OptionError

        raise OptionError(f"{LIMIT_VARIABLE} must be a number of bytes, not {text!r}")
    return int(text)


def cache_info() -> CacheInfo:
    """Count what the cache on disk holds."""
    sizes = [size for _, size, _ in _files(cache_folder())]
    return CacheInfo(cache_folder(), len(sizes), sum(sizes), cache_limit())


def clear_cache() -> CacheInfo:
    """Remove every entry, on disk and in memory.

    Returns:
        What there was.
    """
    before = cache_info()
    for path, _, _ in _files(before.folder):
        path.unlink(missing_ok=True)
    FeatureCache.default().forget()
    return before


def _files(folder: Path) -> list[tuple[Path, int, float]]:
    """Entries with size and time of last use, the least recently used first."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}") if folder.is_dir() else ():
        if _KEY.match(path.stem):
            with contextlib.suppress(FileNotFoundError):  # another process dropped it meanwhile
                status = path.stat()
                found.append((path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry[2])


class FeatureCache:
    """Tensors by key.

    A file that cannot be read counts as absent, and one that cannot be written costs a line in the log: the cache saves
    time and never decides a result.

    Args:
        disk: Whether to keep entries beyond this process.
        memory_limit: Bytes to hold in memory.
    """

    _default: FeatureCache | None = None

    def __init__(self, *, disk: bool = True, memory_limit: int = MEMORY_LIMIT) -> None:
        self.disk = disk
        self.memory_limit = memory_limit
        self._memory: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def default(cls) -> FeatureCache:
        """The cache of this process."""
        if FeatureCache._default is None:
            FeatureCache._default = cls()
        return FeatureCache._default

    def get(self, key: str) -> Tensor | None:
        """The tensor of a key, or None."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        tensor = self._read(key) if self.disk else None
        if tensor is not None:
            self._remember(key, tensor)
        return tensor

    def put(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor."""
        self._remember(key, tensor)
        if self.disk:
            self._write(key, tensor)

    def forget(self) -> None:
        """Drop what is held in memory."""
        self._memory.clear()

    def _remember(self, key: str, tensor: Tensor) -> None:
        self._memory[key] = tensor
        self._memory.move_to_end(key)
        while len(self._memory) > 1 and sum(map(_bytes, self._memory.values())) > self.memory_limit:
            self._memory.popitem(last=False)

    def _read(self, key: str) -> Tensor | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = cache_folder() / f"{key}{_SUFFIX}"
        if not path.is_file():
            return None
        try:
            tensor = load_file(path)[_TENSOR]
            os.utime(path)
        except (OSError, SafetensorError, KeyError) as error:
            logger.warning("dropped an unreadable entry of the feature cache, %s: %s", path, error)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return tensor

    def _write(self, key: str, tensor: Tensor) -> None:
        from safetensors.torch import save

        folder, limit = cache_folder(), cache_limit()
        if _bytes(tensor) > limit:
            return
        partial = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".partial", delete=False) as file:
                partial = Path(file.name)
                file.write(save({_TENSOR: tensor.contiguous()}))
            partial.replace(folder / f"{key}{_SUFFIX}")
        except OSError as error:
            logger.warning("the feature cache %s cannot be written: %s", folder, error)
            if partial is not None:
                with contextlib.suppress(OSError):
                    partial.unlink(missing_ok=True)
            return
        _evict(folder, limit, keep=key)


def _evict(folder: Path, limit: int, *, keep: str) -> None:
    """Drop the least recently used entries until the rest fits."""
    entries = _files(folder)
    total = sum(size for _, size, _ in entries)
    for path, size, _ in entries:
        if total <= limit:
            return
        if path.stem != keep:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
