"""How deep to train a network by its loss: measured by short trainings of a few depths."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..data.splitting import Rows
from ..snapshots.transfer_record import DepthChoice, DepthTrial
from ..training.job import TrainingJob
from .choosing import Choice, Scores
from .options import Options
from .resumable_run import ResumableRun, Schedule, train_to_depth
from .splits import Splits
from .stages import depth_name, stages_of
from .tuning import held_out_share, rates_for, rows_to_learn, short_schedule

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_DEPTHS = 4
SHARE = 0.25  # of the steps of all trainings that the trials may take together
MOST_STEPS = 200  # of one trial


def choose_depth_by_trials(
    run: ResumableRun,
    start: Callable[[Rows | None], PreTrainedModel],
    splits: Splits,
    *,
    schedule: Schedule,
    steps: int,
    options: Options,
    choice: Choice,
    new: Sequence[str] = (),
    least: int = 0,
) -> DepthChoice:
    """Choose how many stages to train.

    The head alone, everything and up to two depths between are trained for a few steps each, with the same seed, at
    the middle one of the learning rates, and compared by their loss on rows that they do not see. Of depths that differ
    by less than the standard error the deepest is taken: a short training favours what has less to learn.

    Args:
        run: The run.
        start: Gives the model to start from, for the numbers of the training rows it may learn from.
        splits: The data.
        schedule: The schedule.
        steps: Of all trainings that follow together; the trials take at most a quarter of them.
        options: The options.
        choice: What is held out, and how models are compared.
        new: Names of parameters that are trained at any depth.
        least: The least depth at which anything is trained: 1 without a head.
    """
    inner, outer, kept = splits.train, splits.validation, None
    if outer is None:
        if not choice.can_hold_out(inner):
            depth = len(_trainable(start(None)))
            return DepthChoice(depth, [], "there are too few rows to hold some out, and everything is trained.")
        kept, held = choice.hold_out(inner, held_out_share(options))
        inner, outer = inner.select(kept), inner.select(held)
    begin = start(kept)
    depths = [depth for depth in depths_to_try(len(_trainable(begin))) if depth >= least]
    each = max(1, min(MOST_STEPS, math.floor(SHARE * steps / len(depths))))
    rates = rates_for(options)
    arguments = {**short_schedule(schedule, each).arguments, "learning_rate": rates[len(rates) // 2]}
    models = []
    for depth in depths:
        model = copy.deepcopy(begin)
        table = rows_to_learn(run, model, inner, schedule, options)
        job = TrainingJob(
            table,
            run.folder / f"trial-{depth}",
            arguments,
            resume=False,
            progress=run.progress,
            title=f"trial of depth {depth_name(depth, depths[-1])}",
        )
        train_to_depth(model, job, depth=depth, decay=schedule.decay, new=new)
        models.append(model)
    figures, scores = choice.judge(models, outer)
    count = len(stages_of(begin))
    trials = [
        DepthTrial(depth_name(depth, depths[-1]), figure["loss"]) for depth, figure in zip(depths, figures, strict=True)
    ]
    best = deepest_of_best(scores)
    depth = count if depths[best] == depths[-1] else depths[best]
    lowest = min(trial.loss for trial in trials)
    ends = "the lowest" if trials[best].loss == lowest else "no worse than the lowest by more than the standard error"
    why = f"after {each:,} steps of each depth its loss on rows held out, {trials[best].loss:.3f}, is {ends}."
    return DepthChoice(depth, [], why, trials)


def depths_to_try(stages: int) -> list[int]:
    """The head alone, everything, and up to two depths between, evenly.

    Args:
        stages: How many stages can be trained.
    """
    return sorted({round(stages * part / (MOST_DEPTHS - 1)) for part in range(MOST_DEPTHS)})


def deepest_of_best(scores: Sequence[Scores]) -> int:
    """The last of the candidates that is no worse than the best by more than the standard error of the difference."""
    best = max(range(len(scores)), key=lambda number: float(scores[number].mean()))
    for number in reversed(range(len(scores))):
        behind = scores[best] - scores[number]
        if number == best or behind.mean() <= behind.std() / math.sqrt(len(behind)):
            return number
    return best


def _trainable(model: PreTrainedModel) -> list[str]:
    """The stages that the network itself does not hold frozen, from input to output."""
    return [stage.name for stage in stages_of(model) if any(one.requires_grad for one in stage.parameters())]
