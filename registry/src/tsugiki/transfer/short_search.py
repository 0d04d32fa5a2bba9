"""The search of a classifier that costs much: fewer steps, rates tried by short trainings, and the head may win.

A small network is trained at three rates to the end, and once more. With a network of photographs or a BERT that takes
hours on a CPU, and often buys nothing: what has seen a million pictures tells new ones apart as it is. There the rates
are tried by a fifth of the steps, and the stages are trained only where one of these short trainings already beats the
head alone on rows held out: in right answers, and by more than the standard error of what candidates are compared by.
The middle rate is tried first, and where it is no better than the head alone, no other.
Where the probes have already found a lower stage that tells the classes apart better, it is the other way about: the
stages are trained unless the head alone is still better by more than that.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..eval_mode import eval_mode
from ..snapshots.transfer_record import DepthChoice, DepthTrial
from ..tensor_table import TensorTable, on_device
from ..training.arguments import EARLY_STOPPING
from ..training.length_grouping import BY_LENGTH, row_lengths
from .choosing import ByAnswers, Scores, best_of, is_surely_better
from .depth import MOST_ROWS, lacking_depth
from .options import Options
from .resumable_run import ResumableRun, Schedule
from .tuning import TRANSFER, Start, Tuned, fit_candidate, held_out_share, schedule_for, short_schedule, steps_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MUCH = 3e13  # floating-point operations of a whole search: some ten minutes of one core
BACKWARD = 2  # passes that a backward one is worth
RATES = (5e-5, 2e-4, 8e-4)  # for Adam; deep networks take smaller ones
EPOCHS, FEWEST_STEPS = 3, 100
TRIAL, FEWEST_TRIAL_STEPS = 0.2, 20  # share of the steps, and steps
_COUNTED = 8  # rows


def costs_much(model: PreTrainedModel, table: TensorTable, options: Options, trainings: int) -> bool:
    """Whether the usual search takes more arithmetic than a person on a CPU would wait for.

    It is counted and not timed, so that it is the same on every machine and after a kill. Where the options ask for
    early stopping, a training ends by itself, and the usual search is made.

    Args:
        model: The grafted model.
        table: Training rows.
        options: The options.
        trainings: How many trainings the usual search takes.
    """
    if EARLY_STOPPING in options.training:
        return False
    schedule = schedule_for(options, len(table))
    rows = steps_of(schedule, len(table)) * int(schedule.arguments["per_device_train_batch_size"])
    return (1 + BACKWARD) * forward_work(model, table) * rows * trainings > MUCH


def forward_work(model: PreTrainedModel, table: TensorTable) -> float:
    """Floating-point operations of a forward pass of one row, in the mean of a few; what torch does not count is 0."""
    rows = torch.linspace(0, len(table) - 1, min(_COUNTED, len(table))).long()
    batch = {name: value for name, value in table.batch(rows).items() if name != "labels"}
    with eval_mode(model), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(**on_device(batch, model.device))
    return counter.get_total_flops() / len(rows)


def short_schedule_for(options: Options, train: TensorTable, *, checkpoints: bool = False) -> Schedule:
    """As `schedule_for`, but three epochs and at least 100 steps, with texts of like length in a batch, of which else
    half may be padding; all where the options do not say.

    Args:
        options: The options.
        train: Training rows.
        checkpoints: Whether the training is worth some.
    """
    rows = len(train)
    usual = schedule_for(options, rows, checkpoints=checkpoints)
    if row_lengths(train) is not None and "rows_per_class" not in options.training:
        usual = replace(usual, arguments={"train_sampling_strategy": BY_LENGTH, **usual.arguments})
    if usual.repeats == 1 and "max_steps" not in usual.arguments:
        return usual
    if "num_train_epochs" in options.training or options.training.get("max_steps", -1) > 0:
        return usual
    batch = int(usual.arguments["per_device_train_batch_size"])
    steps = max(FEWEST_STEPS, math.ceil(EPOCHS * rows / batch))
    return replace(usual, arguments={**usual.arguments, "max_steps": steps})


def trial_steps(schedule: Schedule, rows: int) -> int:
    """Steps of a short training."""
    steps = steps_of(schedule, rows)
    return min(steps, max(FEWEST_TRIAL_STEPS, math.ceil(TRIAL * steps)))


def lower_is_better(chosen: DepthChoice, rows: int) -> bool:
    """Whether the features of a lower stage tell the classes apart better than what the head sees, as probes found.

    Then there is reason to think that the head alone falls short, which a short training may only show later.
    """
    return bool(chosen.probes) and lacking_depth(chosen.probes, min(rows, MOST_ROWS)) > 0


def search(
    run: ResumableRun,
    start: Start,
    train: TensorTable,
    validation: TensorTable | None,
    *,
    depth: int,
    chosen: DepthChoice | None,
    called: str,
    rates: tuple[float, ...],
    schedule: Schedule,
    options: Options,
    choice: ByAnswers,
) -> tuple[Tuned, DepthChoice | None]:
    """Try the rates by short trainings, then train at the best on all rows, unless the head alone seems as good.

    Args:
        run: The run.
        start: Gives the model to start from, for the numbers of the training rows it may learn from; None is all.
        train: Training rows, not augmented, of which some can be held out where there are no validation rows.
        validation: Rows to choose on, or None.
        depth: How many stages are trained besides the head.
        chosen: Why so many; None where they were asked for, and the head alone is no choice.
        called: How a person writes the depth.
        rates: Learning rates to choose among.
        schedule: The schedule of the last training.
        options: The options.
        choice: How candidates are compared.

    Returns:
        The training, with a learning rate of None where the head alone was as good; and why.
    """
    inner, outer, kept = train, validation, None
    if outer is None:
        kept, held = choice.hold_out(train, held_out_share(options))
        inner, outer = train.select(kept), train.select(held)
    steps = trial_steps(schedule, len(train))
    trial = short_schedule(schedule, steps)
    begin = start(kept)
    middle = len(rates) // 2
    known = chosen is not None and lower_is_better(chosen, len(train))
    figures, scores = choice.judge([begin], outer)
    measured: dict[int, tuple[dict[str, float], Scores]] = {}
    seconds = 0.0
    for number in sorted(range(len(rates)), key=lambda one: one != middle):
        model = copy.deepcopy(begin)
        fit = fit_candidate(run, f"{TRANSFER}-trial-{number}", model, inner, None, depth, rates[number], trial, options)
        seconds += fit.seconds
        (figure,), (score,) = choice.judge([model], outer)
        measured[number] = figure, score
        if number == middle and chosen is not None and not known and score.mean() <= scores[0].mean():
            break
    numbers = sorted(measured)
    rates = tuple(rates[number] for number in numbers)
    figures += [measured[number][0] for number in numbers]
    scores += [measured[number][1] for number in numbers]
    tried = [{"learning_rate": rate, **shown} for rate, shown in zip(rates, figures[1:], strict=True)]
    best = best_of(scores[1:])
    kind = "of validation data" if validation is not None else "held out of the training rows"
    rows = f"{len(outer):,} rows {kind}, after {steps:,} steps each"
    if chosen is not None:
        trials = [DepthTrial("head", figures[0]["loss"]), DepthTrial(called, tried[best]["loss"])]
        metric = choice.task.main_metric
        gain = figures[1 + best][metric] - figures[0][metric]
        if known and not (gain < 0 and is_surely_better(scores[0], scores[1 + best])):
            chosen = replace(chosen, trials=trials)
        elif not known and gain > 0 and is_surely_better(scores[1 + best], scores[0]):
            why = f"{chosen.why} Already {steps:,} steps of it beat the head alone on {len(outer):,} rows {kind}."
            chosen = replace(chosen, why=why, trials=trials)
        else:
            did = "made it worse than" if known else "did not beat"
            why = (
                f"{chosen.why} But {steps:,} steps of that {did} the head alone on {len(outer):,} rows {kind}, "
                "and the network costs much to train: the head alone it is."
            )
            chosen = replace(chosen, depth=0, why=why, trials=trials)
            return Tuned(start(None), None, tried, rows, None, seconds), chosen
    model = start(None)
    fit = fit_candidate(run, f"{TRANSFER}-final", model, train, None, depth, rates[best], schedule, options)
    return Tuned(model, rates[best], tried, rows, fit, seconds + fit.seconds), chosen
