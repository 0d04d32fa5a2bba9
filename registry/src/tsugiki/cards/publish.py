"""Publishing: a snapshot with a complete card goes to a folder or to a Hub repository, whole or not at all."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CardError, HubError, OptionError, TsugikiError
from ..output import atomic_folder
from ..public_record import find_secret
from ..snapshots import resolve as snapshot
from ..snapshots.provenance import FILE as PROVENANCE
from ..snapshots.provenance import WEIGHTS, Provenance
from .render import write_card
from .snapshot_files import snapshot_files
from .validate import validate_card

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z", re.ASCII)
_HUB = "hf://"
_OF_THE_HUB = frozenset({".gitattributes", ".gitignore", "LICENSE", "README.md"})


def publish(name_or_path: str | Path, to: str | Path) -> str:
    """Publish a snapshot: the files that it wrote itself, and nothing else that lies in its folder.

    Args:
        name_or_path: What `tsugiki.load` takes.
        to: A folder that is not there yet, or a Hub repository, ``org/name`` or ``hf://org/name``. A relative folder
            is written ``./folder/name``.

    Returns:
        The address of the repository, or the path of the folder.

    Raises:
        CardError: The card is incomplete or contradicts itself, or a file is a link or holds a token or the path of
            your home; nothing is published.
        OptionError: `to` may be a folder as well as a repository.
        OutputError: The folder is there already or cannot be written.
        HubError: The Hub cannot be reached or refused.
    """
    source = snapshot.resolve(name_or_path)
    if problems := validate_card(source):
        more = f" ({len(problems)} problems; `tsugiki verify` lists them)" if len(problems) > 1 else ""
        raise CardError(f"{name_or_path} is not published, for its card is not in order: {problems[0]}{more}")
    if not (source / WEIGHTS).is_file():
        raise CardError(f"{name_or_path} is not published, for {WEIGHTS} is missing")
    repository = _repository(to)
    own, others = snapshot_files(source)
    for path in own:
        if (secret := find_secret(path, _known_secrets())) is not None:
            raise CardError(f"{name_or_path} is not published, for {path.name} holds {secret}; take it out first")
    if others:
        logger.warning("not published, for they are no part of the snapshot: %s", ", ".join(others))
    if repository is None:
        return _to_folder(source, own, Path(to).expanduser())
    return _to_hub(own, repository)


def _known_secrets() -> dict[str, str]:
    """What must not be published, whatever it looks like."""
    from huggingface_hub import get_token

    token, home = get_token(), Path.home()
    known = {"the token that you are logged in with": token} if token else {}
    return known | ({"the path of your home": f"{home}{os.sep}"} if len(home.parts) > 2 else {})


def _repository(to: str | Path) -> str | None:
    """The repository that `to` names, or None where it is a folder."""
    if not isinstance(to, str):
        return None
    if to.startswith(_HUB):
        if not _REPOSITORY.match(to.removeprefix(_HUB)):
            raise OptionError(f"{to!r} names no Hub repository; write {_HUB}org/name")
        return to.removeprefix(_HUB)
    if not _REPOSITORY.match(to):
        return None
    if Path(to).parent.is_dir():
        raise OptionError(f"{to!r} may be a folder or a Hub repository: write ./{to} or {_HUB}{to}")
    return to


def _to_folder(source: Path, files: Sequence[Path], target: Path) -> str:
    with atomic_folder(target, reads=[source]) as folder:
        _copy(files, folder)
    return str(target)


def _copy(files: Sequence[Path], target: Path) -> None:
    for path in files:
        shutil.copyfile(path, target / path.name)


def _to_hub(files: Sequence[Path], repository: str) -> str:
    with tempfile.TemporaryDirectory() as staging:
        folder = Path(staging)
        _copy(files, folder)
        _take_name(folder, repository)
        return _upload(folder, repository)


def _upload(folder: Path, repository: str) -> str:
    from huggingface_hub import HfApi

    api = HfApi(library_name="tsugiki")
    broken = f"{repository} cannot be made on the Hub"
    try:
        is_new = not api.repo_exists(repository)
        url = str(api.create_repo(repository, exist_ok=True))
        broken = f"the upload to {repository} broke off; it is one commit, so nothing is half-published"
        broken += ", and the new repository remains" if is_new else ""
        _commit(api, repository, folder, _stale_files(api, repository, folder))
    except TsugikiError:
        raise
    except Exception as error:  # the client, its HTTP library and its Xet library raise errors of many kinds
        status = getattr(getattr(error, "response", None), "status_code", None)
        hint = "log in with `hf auth login`" if status in (401, 403) else "run the same command again"
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}".rstrip(": ")
        raise HubError(f"{broken} ({reason}); {hint}") from error
    return url


def _stale_files(api: HfApi, repository: str, folder: Path) -> list[str]:
    """Files of an earlier snapshot in the repository that this one does not have.

    Raises:
        HubError: The repository holds something that is not a snapshot of tsugiki.
    """
    there = set(api.list_repo_files(repository))
    ours = {path.name for path in folder.iterdir()}
    if there - _OF_THE_HUB and PROVENANCE not in there:
        raise HubError(
            f"{repository} holds other files ({sorted(there - _OF_THE_HUB)[0]}) and no snapshot of tsugiki; "
            "name another repository"
        )
    return sorted(there - ours - _OF_THE_HUB)


def _take_name(staging: Path, repository: str) -> None:
    """Call a fine-tuned model by its repository, so that the commands on its card can be run by others."""
    provenance = Provenance.read(staging)
    if provenance.transfer is not None:
        replace(provenance, name=repository).write(staging)
        write_card(staging)


def _commit(api: HfApi, repository: str, folder: Path, stale: list[str]) -> None:
    """Upload everything in one commit: visible whole, or not at all."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api.create_commit(
        repository,
        operations=[
            *(CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path) for path in sorted(folder.iterdir())),
            *(CommitOperationDelete(path_in_repo=name) for name in stale),
        ],
        commit_message=f"Publish with tsugiki {_version()}",
    )


def _version() -> str:
    from importlib.metadata import version

    return version("tsugiki")
