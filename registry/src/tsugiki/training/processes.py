"""The processes of one training: a launch by ``accelerate launch`` has several, and one of them writes."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import PartialState


def number_of_processes() -> int:
    """How many processes the launch has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process writes; the others compute along."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_all() -> None:
    """Let every process of a launch arrive here."""
    if number_of_processes() > 1:
        _group().wait_for_everyone()


def of_main_process(value: Any) -> Any:
    """The main process's value, in every process: where clocks would make them disagree."""
    if number_of_processes() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    _group()
    return broadcast_object_list([value])[0]


def _group() -> PartialState:
    """The group of processes. Without a GPU, accelerate makes one only if told to, as its `Accelerator` is."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def _leave_group() -> None:
    """Leave the group of processes before the interpreter ends; its threads would abort it otherwise."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


atexit.register(_leave_group)
