"""From a name to a snapshot folder: a path, a snapshot embedded in an installed plugin, or a Hub repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import HubError, OptionError, SnapshotError, UnknownNameError
from ..registry import registry

CONFIG = "config.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z", re.ASCII)
_PATH_STARTS = (".", "/", "~")


def resolve(name: str | Path, *, revision: str | None = None) -> Path:
    """Find the folder of a snapshot.

    Looked up in this order: a path; an embedded snapshot (``lenet5-mnist`` or ``vision:lenet5-mnist``); a Hub
    repository (``org/name``).

    Args:
        name: What the user wrote.
        revision: Branch, tag or commit of a Hub repository.

    Returns:
        An existing folder that holds a ``config.json``.

    Raises:
        SnapshotError: A path leads to no snapshot, or a name holds ``../``.
        UnknownNameError: No installed snapshot has this name.
        AmbiguousNameError: Two plugins claim the name.
        HubError: The Hub has no such repository, or cannot be reached.
        PluginError: The weights lie in a distribution that is not installed.
        OptionError: A revision of something that has none was asked for.
    """
    if isinstance(name, os.PathLike) or _is_written_as_path(name):
        _refuse_revision(name, revision)
        return _check_folder(_expanded(Path(name)))
    if ".." in re.split(r"[/\\:]", name) or "\\" in name:
        raise SnapshotError(
            f"{name!r} is no model name: '..' and '\\' are not allowed in names; write a path as ./folder or /folder"
        )
    if _exists(Path(name, CONFIG)) or ("/" in name and _exists(Path(name))):
        _refuse_revision(name, revision)
        return _check_folder(Path(name))
    if not name.strip():
        raise UnknownNameError("the model name is empty; `tsugiki list` shows what is installed")
    if "/" not in name:
        checkpoint = registry().checkpoint(name)
        _refuse_revision(name, revision)
        if checkpoint.weights is None:
            return checkpoint.path
        from .converted_weights import snapshot_folder

        return snapshot_folder(checkpoint)
    if not _HUB_ID.match(name):
        raise SnapshotError(f"{name!r} is neither an existing folder, nor an installed model, nor a Hub id (org/name)")
    from .hub import download

    try:
        return _check_folder(download(name, revision))
    except HubError as error:
        raise HubError(f"{error}; nor is there a folder {name}") from error


def _is_written_as_path(name: str) -> bool:
    return name.startswith(_PATH_STARTS) or (os.sep != "/" and Path(name).is_absolute())


def _check_folder(folder: Path) -> Path:
    if _exists(folder / CONFIG):
        return folder
    if _exists(folder) and folder.is_dir():
        raise SnapshotError(f"{folder} is no snapshot: it holds no {CONFIG}")
    raise SnapshotError(f"{folder} is not a folder; a snapshot is a folder with {CONFIG} and model.safetensors")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise SnapshotError(f"{path} leads nowhere: {error}") from error


def _exists(path: Path) -> bool:
    """Whether it exists; a name too long for a path does not."""
    try:
        return path.exists()
    except OSError:
        return False


def _refuse_revision(name: str | Path, revision: str | None) -> None:
    if revision is not None:
        raise OptionError(f"revision={revision!r} is for Hub repositories (org/name) only, and {str(name)!r} is none")
