"""In which format a folder is read: the one that it is found to be in, or the one that a person names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from ..errors import DataError, OptionError, did_you_mean
from ..registry import registry
from .media_folder import read_media_folder, says_how_to_read
from .plugin_folder import SortedFolder, read_plugin_folder
from .table_folder import read_table_folder

# Formats that no plugin brings: pictures or recordings in folders by class, and tables such as CSV.
OWN_FORMATS = {"class-folders": read_media_folder, "tables": read_table_folder}
_chosen: ContextVar[str | None] = ContextVar("format of folders", default=None)


@contextlib.contextmanager
def reading_as(format_name: str | None) -> Iterator[None]:
    """Read folders in here in one format, whatever else they may be taken for.

    Args:
        format_name: One of `format_names`, or ``plugin:name``; None changes nothing.

    Raises:
        OptionError: There is no such format.
    """
    if format_name is None:
        yield
        return
    check_format(format_name)
    token = _chosen.set(format_name)
    try:
        yield
    finally:
        _chosen.reset(token)


def format_names() -> list[str]:
    """The formats of folders that there are: the core's own and those of installed plugins."""
    plugins = registry().plugins.values()
    return [*OWN_FORMATS, *sorted({name for plugin in plugins for name in plugin.manifest.readers})]


def check_format(format_name: str) -> None:
    """Refuse the name of no format.

    Raises:
        OptionError: There is none; names those that there are.
    """
    names, plugins = format_names(), registry().plugins.values()
    of_plugins = {f"{plugin.name}:{name}" for plugin in plugins for name in plugin.manifest.readers}
    if format_name not in names and format_name not in of_plugins:
        raise OptionError(
            f"unknown format {format_name!r}, only {', '.join(names)}.{did_you_mean(str(format_name), names)}"
        )


def refuse_no_folder(data: object) -> None:
    """Refuse data that is no folder where a format is named.

    Raises:
        DataError: It is not.
    """
    if (chosen := _chosen.get()) is not None:
        raise DataError(f"{data} is no folder on this machine, and a format ({chosen}) is that of a folder")


def sorted_folder(folder: Path) -> SortedFolder | None:
    """The files of a folder by split; None where its card says itself which files make which.

    Raises:
        DataError: It is not in the format that was named, or is found to be in several.
    """
    if (chosen := _chosen.get()) is None:
        if says_how_to_read(folder):
            return None
        return read_plugin_folder(folder) or read_media_folder(folder) or read_table_folder(folder)
    own = OWN_FORMATS.get(chosen)
    found: SortedFolder | None = read_plugin_folder(folder, chosen) if own is None else own(folder)
    if found is None:
        raise DataError(f"{folder} is no folder in the format {chosen}; leave the format out to have it found")
    return found
