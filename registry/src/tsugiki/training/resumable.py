"""What a killed training continues from: states that are written whole, in folders that belong to one run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import OptionError
from ..fingerprint import options_fingerprint
from ..output import Unfinished, atomic_file, discard, unfinished_output
from .processes import is_main_process, tell_if_alone, wait_for_all

STATE = "state.safetensors"  # of a training under way
PHASE = "phase.safetensors"  # of one that is done
_CHECKPOINTS = "checkpoint-*"  # the Trainer's


class StateFile:
    """The state of a training in one file, so that its tensors and its record are of one moment.

    Args:
        path: The file.
        run: What makes two runs the same, such as data and options.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = options_fingerprint(run)

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


@contextlib.contextmanager
def resumable_output(
    output_dir: str | Path, run: Mapping[str, Any], **options: Any
) -> Iterator[tuple[Unfinished, bool]]:
    """The output of a run in one or more processes, of which the main one makes, renames and removes folders.

    Args:
        output_dir: The folder that appears at the end.
        run: What makes two runs the same.
        **options: As `tsugiki.output.unfinished_output` takes them.

    Yields:
        The output, and whether an earlier part of the run has put it in its place, so that there is nothing to write.

    Raises:
        OutputError: Something is there that may not be replaced, or the disk is full.
    """
    tell_if_alone()
    made = (
        unfinished_output(output_dir, run=run, **options)
        if is_main_process()
        else contextlib.nullcontext(Unfinished(Path(output_dir).absolute()))
    )
    with made as place:
        wait_for_all()
        is_in_place = place.is_in_place
        wait_for_all()
        yield place, is_in_place


def has_progress(folder: Path) -> bool:
    """Whether a run in this folder, or in one below it, has left anything to continue from."""
    return any(next(folder.rglob(pattern), None) for pattern in (_CHECKPOINTS, STATE, PHASE))


def clear_checkpoints(folder: Path) -> None:
    """Remove what only a training under way needs; the main process does it."""
    if not is_main_process():
        return
    for checkpoint in folder.glob(_CHECKPOINTS):
        discard(checkpoint)
    (folder / STATE).unlink(missing_ok=True)
