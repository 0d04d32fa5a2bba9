"""Fine-tuning by a network's own loss: translators, language models, taggers, several tasks, and what plugins bring.

What is new, a head or rows for new words, is trained alone first, so that its random weights do not spoil what the
network knows; then the stages below it learn with it, at a learning rate chosen by the loss on rows held out.
Where nothing is new, the training goes on.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

from ..data.splitting import Rows
from ..errors import OptionError
from ..task import Task
from ..tensor_table import TensorTable
from .choosing import ByLoss
from .estimate import estimate
from .graft import Adapted, adapt, fresh_like
from .heads import KINDS
from .loss_depth import choose_depth_by_trials
from .options import Options
from .outcome import SECONDS_WORTH_A_CHECKPOINT, Outcome, Transfer
from .resumable_run import ResumableRun, Schedule
from .stages import head_of
from .tuning import (
    TRANSFER,
    rates_for,
    rows_of_step,
    rows_to_learn,
    schedule_for,
    short_schedule,
    steps_of,
    tune,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLIP = 1.0  # norm of the gradient; texts now and then give steep ones
NEW_SHARE = 0.1  # of the steps, for what is new alone
NEW_RATE = 3e-3


def options_by_loss(base: PreTrainedModel, task: Task, options: Options) -> Options:
    """The options with the defaults of training by loss.

    Raises:
        OptionError: The model has no loss, or an option is for classifiers alone.
    """
    if "labels" not in inspect.signature(type(base).forward).parameters:
        raise OptionError(f"{type(base).__name__} does {task.name} and has no loss that finetune could train")
    if options.head != KINDS[0]:
        raise OptionError(f"head={options.head!r} is for classifiers, and {type(base).__name__} does {task.name}")
    if options.examples_per_class is not None:
        raise OptionError(f"examples_per_class is for classifiers, and {type(base).__name__} does {task.name}")
    return replace(options, training={"max_grad_norm": CLIP, **options.training})


def transfer_by_loss(transfer: Transfer) -> Outcome:
    """Everything between decoded data and a measured model; the splits say what the base becomes.

    Raises:
        OptionError: The task's rows have no labels.
    """
    run, base, task, splits, options = (
        transfer.run,
        transfer.base,
        transfer.task,
        transfer.splits,
        transfer.options,
    )
    assert splits.adaptation is not None
    choice = ByLoss(task, options.seed)
    adapted = adapt(base, splits.adaptation, seed=options.seed)
    learning = task.learning_rows(adapted.model, splits.train)
    if "labels" not in learning.batch([0]):
        raise OptionError(f"rows of {task.name} have no labels, so that {type(base).__name__} cannot learn from them")
    trains_head = any(True for _ in head_of(base)[1].parameters()) or bool(adapted.new)
    if transfer.asked == 0 and not trains_head:
        raise OptionError(f"{type(base).__name__} has no head that could be trained alone; name a depth from 1 on")
    batch = rows_of_step(learning)
    schedule = schedule_for(options, len(learning), batch=batch)
    trainings = transfer.trainings(choice)
    cost = transfer.estimate(
        lambda: estimate(
            adapted.model,
            learning,
            depth=transfer.most,
            schedule=schedule,
            trainings=trainings,
            device=options.device,
            exact=transfer.asked is not None,
            taken=splits.memory,
            new=adapted.new,
            caches_features=False,
        )
    )
    if cost.seconds / cost.trainings > SECONDS_WORTH_A_CHECKPOINT:
        schedule = schedule_for(options, len(learning), batch=batch, checkpoints=True)
    started = Start(run, adapted, splits.train, schedule, options)
    depth, chosen = transfer.choose_depth(
        lambda: choose_depth_by_trials(
            run,
            started,
            splits,
            schedule=schedule,
            steps=steps_of(schedule, len(learning)) * trainings,
            options=options,
            choice=choice,
            new=adapted.new,
            least=0 if trains_head else 1,
        )
    )
    with transfer.clock("training"):
        tuned = tune(
            run,
            TRANSFER,
            started if depth > 0 else started.plain,
            splits.train,
            splits.validation,
            depth=depth,
            rates=rates_for(options),
            schedule=schedule,
            options=options,
            choice=choice,
            new=adapted.new,
        )
    learned, test = splits.learning, splits.test_record
    return transfer.outcome(
        tuned,
        lambda: fresh_like(adapted.model),
        depth=depth,
        chosen=chosen,
        choice=choice,
        schedule=schedule,
        cost=cost,
        rows={
            "train": learned.train.rows - (0 if test.selection is None else test.rows),
            "validation": 0 if learned.validation is None else learned.validation.rows,
            "test": test.rows,
        },
        adapted=splits.adaptation.why,
    )


class Start:
    """Gives the network that a training begins with; what is new in it has been trained alone.

    Args:
        run: The run.
        adapted: The base with its new head and rows.
        train: Training rows.
        schedule: The schedule.
        options: The options.
    """

    def __init__(
        self, run: ResumableRun, adapted: Adapted, train: TensorTable, schedule: Schedule, options: Options
    ) -> None:
        self.run, self.adapted, self.train, self.schedule, self.options = run, adapted, train, schedule, options
        self.steps = max(1, round(NEW_SHARE * steps_of(schedule, len(train))))

    def plain(self, rows: Rows | None) -> PreTrainedModel:
        """The network before anything is trained."""
        return copy.deepcopy(self.adapted.model)

    def __call__(self, rows: Rows | None) -> PreTrainedModel:
        """The network for these of the training rows; for all of them by default."""
        model = self.plain(rows)
        if not self.adapted.has_new:
            return model
        table = self.train if rows is None else self.train.select(rows)
        short = short_schedule(self.schedule, self.steps)
        self.run.fit(
            "new-final" if rows is None else "new-candidates",
            model,
            rows_to_learn(self.run, model, table, short, self.options),
            depth=0,
            learning_rate=NEW_RATE,
            schedule=short,
            new=self.adapted.new,
        )
        return model
