"""Pictures of data as files beside their labels, each under a name of its own."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image
from tsugiki.inputs import PICTURES

from .annotation import AnnotatedPicture

_UNSAFE = re.compile(r"[\\/:*?\"<>|\x00-\x1f\s,]+")  # in names that any system and any list of names holds


class PictureFiles:
    """Names for pictures, of which no two differ only in their suffix or in capital letters."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count = 0

    def write(self, picture: AnnotatedPicture, folder: Path) -> Path:
        """Write a picture as it is encoded, under its own name where that is free."""
        content = picture.content
        name = Path(_UNSAFE.sub("_", picture.file_name))
        stem, suffix = name.stem, name.suffix
        if not stem or not PICTURES.holds(name):
            stem, suffix = stem or f"{self._count:06d}", _suffix(content)
        self._count += 1
        free, number = stem, 1
        while free.lower() in self._taken:
            number += 1
            free = f"{stem}-{number}"
        self._taken.add(free.lower())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{free}{suffix}"
        path.write_bytes(content)
        return path


def _suffix(content: bytes) -> str:
    with Image.open(io.BytesIO(content)) as picture:
        kind = picture.format or "PNG"
    return {"JPEG": ".jpg", "TIFF": ".tif"}.get(kind, f".{kind.lower()}")
