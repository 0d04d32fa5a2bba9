"""PNG files that are written whole or not at all, with what made them in their text chunks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import PIL.Image
from PIL.PngImagePlugin import PngInfo
from tsugiki.file_tree import readable
from tsugiki.output import write_bytes


def write_png(path: str | Path, picture: PIL.Image.Image, text: Mapping[str, str], *, overwrite: bool = False) -> None:
    """Write a picture.

    Args:
        path: Where it goes.
        picture: The picture.
        text: Text chunks by keyword, such as `Description` (PNG specification, section 11.3.3).
        overwrite: Replace a file that is there.

    Raises:
        OutputError: The file is there and not to be replaced, the disk is full, or the folder cannot be written.
    """
    chunks = PngInfo()
    for keyword, value in text.items():
        chunks.add_itxt(keyword, readable(value))  # it may name files
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=chunks, optimize=True)
    write_bytes(path, buffer.getvalue(), overwrite=overwrite)
