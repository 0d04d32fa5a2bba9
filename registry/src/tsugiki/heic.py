"""Photographs of telephones, HEIC, which Pillow opens with the help of another package, ``tsugiki[heic]``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".heic", ".heif"})
INSTALL = "pip install 'tsugiki[heic]'"
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})


def can_open_heic() -> bool:
    """Whether the package is installed."""
    return find_spec("pillow_heif") is not None


def is_heic(source: Any) -> bool:
    """Whether a path, bytes or a file that can be sought begin as HEIC does."""
    try:
        if isinstance(source, str | Path):
            with Path(source).open("rb") as file:
                begin = file.read(12)
        elif isinstance(source, bytes):
            begin = source[:12]
        else:
            source.seek(0)
            begin = source.read(12)
            source.seek(0)
    except (AttributeError, OSError):
        return False
    return begin[4:8] == b"ftyp" and begin[8:] in _BRANDS


def register_heic() -> bool:
    """Let Pillow open HEIC from now on; False where the package is missing."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except (ImportError, OSError):  # OSError: the package is there and its C library is not
        return False
    return True


def heic_hint(paths: Iterable[Path]) -> str:
    """What to say behind the reason why files are left out, if some of them are HEIC and could be read."""
    if can_open_heic() or not any(path.suffix.lower() in SUFFIXES for path in paths):
        return ""
    return f"; {INSTALL} opens HEIC"
