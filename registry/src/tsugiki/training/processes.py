"""The processes of one training: a launch by ``accelerate launch`` has several, and one of them writes."""

from __future__ import annotations

import atexit
import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import PartialState


_NUMBERED = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # of torch and of kinds of MPI

logger = logging.getLogger(__name__)


def number_of_processes() -> int:
    """How many processes the launch has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def tell_if_alone() -> None:
    """Say so once where ``accelerate launch`` was asked for several processes and started one.

    It does without a GPU, unless it is told ``--multi_gpu``. What it sets then is a port to meet at, and no number.
    """
    several = "MASTER_PORT" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ
    if several and not any(name in os.environ for name in _NUMBERED):
        _tell_once(
            "accelerate launch was asked for several processes and started this one alone; without a GPU, "
            "`ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu --num_processes 2 -m tsugiki train …` starts them"
        )


@cache
def _tell_once(line: str) -> None:
    logger.warning(line)


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


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, those of the first process first, for a loss over the batch of all, such as triplets.

    Every process computes the same loss of them; the gradients that reach its own rows are such that the average which
    is taken over processes is the gradient that one process would have.

    Args:
        rows: (B, ...), of the same shape in every process.

    Returns:
        (B * processes, ...).
    """
    if number_of_processes() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    _group()
    return torch.cat(all_gather(rows))


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
