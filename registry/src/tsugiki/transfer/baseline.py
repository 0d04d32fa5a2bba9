"""The other way: the same network from fresh weights, on the same rows, with no less of anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from transformers import set_seed

from ..data.splitting import Rows
from ..tensor_table import TensorTable
from .choosing import Choice
from .options import Options
from .resumable_run import ResumableRun, Schedule
from .stages import stages_of
from .tuning import SCRATCH, Tuned, rates_for, tune

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def train_from_scratch(
    run: ResumableRun,
    make: Callable[[], PreTrainedModel],
    train: TensorTable,
    validation: TensorTable | None,
    *,
    schedule: Schedule,
    options: Options,
    choice: Choice,
) -> Tuned:
    """Train fresh weights with the same augmentation, the same search over learning rates and no fewer steps.

    The rates are higher than those of a trained network, for fresh weights have further to go, and all layers learn at
    the same one. An unfitted head is part of starting from scratch.

    Args:
        run: The run.
        make: Gives the network with fresh weights, drawn from the global seed.
        train: Training rows, not augmented.
        validation: Rows to choose on, or None.
        schedule: The schedule of the transfer.
        options: The options.
        choice: How candidates are compared.
    """

    def start(_: Rows | None) -> PreTrainedModel:
        set_seed(options.seed)
        return make()

    return tune(
        run,
        SCRATCH,
        start,
        train,
        validation,
        depth=len(stages_of(make())),
        rates=rates_for(options, fresh=True),
        schedule=Schedule(schedule.arguments, schedule.repeats, 1.0, schedule.checkpoints),
        options=options,
        choice=choice,
    )
