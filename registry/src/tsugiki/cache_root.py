"""Where everything is kept that can be made again."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "TSUGIKI_CACHE"


def cache_root() -> Path:
    """``$TSUGIKI_CACHE``, by default ``~/.cache/tsugiki``."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "tsugiki"
