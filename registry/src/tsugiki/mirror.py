"""Where data sets of the Hub lie on this machine: a mirror, laid out as the Hub is."""

from __future__ import annotations

import os
import re
from pathlib import Path

MIRROR_VARIABLE = "TSUGIKI_DATASETS"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")


def mirror_folder(data_id: str) -> Path | None:
    """The folder of a Hub id in the local mirror named by ``TSUGIKI_DATASETS``, if it is there."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror or not HUB_ID.match(data_id) or ".." in data_id:
        return None
    folder = Path(mirror, *data_id.split("/"))
    return folder if folder.is_dir() else None
