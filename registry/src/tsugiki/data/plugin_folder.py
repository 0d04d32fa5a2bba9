"""Folders in a format that a plugin reads, such as pictures with boxes in files beside them.

A reader is a function of a folder. It looks at names and beginnings of files, and gives None for a folder in another
format; else something that has a `FileCount` and makes the data when it is asked. Every reader is asked, so that two
which know a folder are both named and neither is taken.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import DataError, PluginError, TsugikiError
from ..file_tree import FileCount
from ..registry import InstalledPlugin, registry

if TYPE_CHECKING:
    from datasets import DatasetDict

logger = logging.getLogger(__name__)


class SortedFolder(Protocol):
    """A folder whose files are sorted, and read when `dataset` is called."""

    @property
    def count(self) -> FileCount:
        """What became of all files of the folder."""

    def dataset(self) -> DatasetDict:
        """The splits as data."""


@dataclass(frozen=True)
class PluginFolder:
    """A folder in a format of a plugin; errors of its reader that are no sentences for the user name the plugin.

    Attributes:
        plugin: Whose format it is.
        format: The format's name.
        sorted: What the reader made of the folder.
    """

    plugin: InstalledPlugin
    format: str
    sorted: SortedFolder

    @property
    def count(self) -> FileCount:
        """What became of all files of the folder."""
        return self.sorted.count

    def dataset(self) -> DatasetDict:
        """The splits as data.

        Raises:
            DataError: The reader says what is wrong with the files.
            PluginError: The reader fails otherwise.
        """
        try:
            return self.sorted.dataset()
        except TsugikiError:
            raise
        except Exception as error:
            raise PluginError(_failure(self.plugin, self.format, error)) from error


def read_plugin_folder(folder: Path, chosen: str | None = None) -> PluginFolder | None:
    """The folder as the one installed plugin that knows its format reads it; None where none does.

    Args:
        folder: The folder.
        chosen: The only format that is asked for, by its name or as ``plugin:name``; by default every one.

    A reader that fails costs one warning that names its plugin, for the folder may be none of its own;
    ``TSUGIKI_STRICT=1``, or asking for its format, makes it the error.

    Raises:
        DataError: A reader says what is wrong with the folder, or several know it.
    """
    found = []
    for plugin in registry().plugins.values():
        for name, reference in plugin.manifest.readers.items():
            if chosen not in (None, name, f"{plugin.name}:{name}"):
                continue
            try:
                read = plugin.import_reference(reference)(folder)
            except DataError:
                raise
            except Exception as error:
                failure = PluginError(_failure(plugin, name, error))
                if chosen is not None or os.environ.get("TSUGIKI_STRICT") == "1":
                    raise failure from error
                _warn_once(str(failure))
                continue
            if read is not None:
                found.append(PluginFolder(plugin, name, read))
    if len(found) > 1:
        claims = " and ".join(f"{one.format} as plugin {one.plugin.name!r} reads it" for one in found)
        names = " or ".join(f"{one.plugin.name}:{one.format}" for one in found)
        raise DataError(f"{folder} is {claims}; say which with --format (format=): {names}")
    return found[0] if found else None


def _failure(plugin: InstalledPlugin, name: str, error: Exception) -> str:
    if isinstance(error, PluginError):  # of an import, which names the plugin
        return str(error)
    reason = " ".join(str(error).split())
    return f"plugin {plugin.name!r} ({plugin.distribution}) fails to read {name}: {type(error).__name__}: {reason}"


@cache
def _warn_once(line: str) -> None:
    logger.warning(line)
