"""PNG files that are written whole or not at all, with what made them in their text chunks."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import PIL.Image
from PIL.PngImagePlugin import PngInfo
from tsugiki.errors import OutputError
from tsugiki.output import write_bytes


def check_png_path(output: str | Path, *sources: str | Path) -> Path:
    """The path of a picture to write, refused before any work is done for it.

    Args:
        output: Where the picture goes; a file that is there is replaced.
        sources: Files that are read, and so must not be replaced.

    Raises:
        OutputError: The name does not end in .png, the folder is missing or cannot be written, or a source is there.
    """
    path = Path(output)
    if path.suffix.lower() != ".png":
        raise OutputError(f"the picture is a PNG file: name the output something.png, not {output}")
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{output} cannot be written; name a file in a folder that exists and is yours")
    if any(path.exists() and Path(source).exists() and path.samefile(source) for source in sources):
        raise OutputError(f"{output} is one of the pictures to read; name another output")
    return path


def write_png(path: str | Path, picture: PIL.Image.Image, text: Mapping[str, str]) -> None:
    """Write a picture.

    Args:
        path: Where it goes.
        picture: The picture.
        text: Text chunks by keyword, such as `Description` (PNG specification, section 11.3.3).

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    chunks = PngInfo()
    for keyword, value in text.items():
        chunks.add_itxt(keyword, value)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=chunks, optimize=True)
    write_bytes(path, buffer.getvalue())
