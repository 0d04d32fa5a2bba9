"""Where a command writes one file, refused before any work is done for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .errors import OutputError

PNG = (".png",)


def check_output_path(
    output: str | Path, suffixes: Sequence[str] = PNG, *sources: str | Path, what: str = "the picture is a PNG file"
) -> Path:
    """The path of a file to write.

    Args:
        output: Where it goes; a file that is there is replaced.
        suffixes: What its name may end in.
        sources: Files that are read, and so must not be replaced.
        what: What it is, for messages.

    Raises:
        OutputError: The name ends in something else, the folder is missing or cannot be written, or a source is there.
    """
    path = Path(output)
    if path.suffix.lower() not in suffixes:
        names = " or ".join(f"something{suffix}" for suffix in suffixes)
        raise OutputError(f"{what}: name the output {names}, not {output}")
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"{output} cannot be written; name a file in a folder that exists and is yours")
    if any(path.exists() and Path(source).exists() and path.samefile(source) for source in sources):
        raise OutputError(f"{output} is one of the pictures to read; name another output")
    return path
