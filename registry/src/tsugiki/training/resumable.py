"""What a killed training continues from: states that are written whole, in folders that belong to one run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import OptionError, OutputError
from ..output import atomic_file, write_json
from .processes import is_main_process, wait_for_all

STATE = "state.safetensors"  # of a training under way
PHASE = "phase.safetensors"  # of one that is done
IDENTITY = "identity.json"
_CHECKPOINTS = "checkpoint-*"  # the Trainer's


class StateFile:
    """The state of a training in one file, so that its tensors and its record are of one moment.

    Args:
        path: The file.
        run: What makes two runs the same, such as data and options.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = _digest(run)

    def write(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Replace the state. Every process calls this; the main one writes, and none goes on before it has.

        Args:
            tensors: No two of them share memory.
            record: The rest of the state, in JSON's types.

        Raises:
            OutputError: The disk is full or the folder cannot be written.
        """
        if is_main_process():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            with atomic_file(self.path) as partial:
                save_file(on_cpu, partial, metadata={"state": json.dumps({"run": self.run, "record": record})})
        wait_for_all()

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and record as they were written last; None where nothing was.

        Raises:
            OptionError: They are of another run.
        """
        if not self.path.is_file():
            return None
        with safe_open(self.path, framework="pt") as opened:
            state = json.loads(opened.metadata()["state"])
            if state["run"] != self.run:
                raise OptionError(
                    f"{self.path} is of a training with other options or other data; remove it to start anew"
                )
            return {name: opened.get_tensor(name) for name in opened.keys()}, state["record"]  # noqa: SIM118


def claim_folder(folder: Path, run: Mapping[str, Any], *, replace: bool = False) -> None:
    """Make a folder that of a run, where an earlier part of the same run may have left something.

    The main process does it; whoever reads the folder in another waits for it.

    Args:
        folder: The folder; made where it is missing.
        run: What makes two runs the same.
        replace: Empty the folder if it is of another run.

    Raises:
        OutputError: It is of another run, and not to be replaced.
    """
    if not is_main_process():
        return
    file, record = folder / IDENTITY, {"sha256": _digest(run)}
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if found == record:
        return
    if replace:
        shutil.rmtree(folder, ignore_errors=True)
    elif found is not None:
        raise OutputError(f"{folder} holds an unfinished run with other options; remove it to start anew")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, record)


def has_progress(folder: Path) -> bool:
    """Whether a run in this folder, or in one below it, has left anything to continue from."""
    return any(next(folder.rglob(pattern), None) for pattern in (_CHECKPOINTS, STATE, PHASE))


def clear_checkpoints(folder: Path) -> None:
    """Remove what only a training under way needs; the main process does it."""
    if not is_main_process():
        return
    for checkpoint in folder.glob(_CHECKPOINTS):
        shutil.rmtree(checkpoint)
    (folder / STATE).unlink(missing_ok=True)


def _digest(values: Mapping[str, Any]) -> str:
    """What tells one run from another, and nothing of its paths and tokens."""
    plain = json.loads(json.dumps(values, default=str))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
