"""TensorBoard's logs: written into the folder of a run, which goes at the end, and kept beside the weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..output import Unfinished
from ..ownership import RUN

LOGS = "runs"  # in a snapshot, as the Trainer calls it too
_EVENTS = "events.out.tfevents.*"


def keep_event_logs(place: Unfinished) -> None:
    """Copy what a run logged for TensorBoard into `place.whole`, a folder of ``runs`` for each of its trainings."""
    for file in sorted(file for kind in RUN for folder in place.folder.glob(kind) for file in folder.rglob(_EVENTS)):
        training, *rest = file.parent.relative_to(place.folder).parts
        parts = [training, *rest[: rest.index(LOGS) if LOGS in rest else None]]
        kept = place.whole / LOGS / Path(*parts[1:] if len(parts) > 1 else parts)
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept / file.name)


def are_event_logs(folder: Path) -> bool:
    """Whether a folder is the one of such logs, and holds nothing else."""
    if folder.name != LOGS or not folder.is_dir():
        return False
    files = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return not folder.is_symlink() and all(path.match(_EVENTS) and not path.is_symlink() for path in files)
