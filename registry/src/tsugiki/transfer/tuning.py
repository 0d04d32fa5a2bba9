"""LP-FT: the head first on cached features, then the stages below it, at a learning rate chosen among a few.

Training everything from a random head spoils the features before the head has become sensible. Fitting the head first
and then unfreezing does not (Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform
out-of-distribution).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.splitting import Rows, repeated
from ..tensor_table import TensorTable
from ..training.arguments import EARLY_STOPPING
from ..training.job import FitResult
from .choosing import Choice, best_of, is_surely_better
from .features import head_features
from .graft import linear_layers
from .heads import HIDDEN_SIZE, Head, fit_head
from .options import Options
from .resumable_run import ResumableRun, Schedule
from .stages import head_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RATES = (3e-4, 1e-3, 3e-3)  # of a trained network, for Adam
FRESH_RATES = (1e-3, 3e-3, 1e-2)  # of fresh weights: they have further to go
BEYOND = 10 / 3  # where the lowest or the highest rate is the best, from it to one more that is tried
_OPTIMIZER_FACTORS = {"sgd": 30.0, "adagrad": 10.0, "lion": 0.1, "adafactor": 1.0}  # against Adam's rates
DECAY = 0.8  # of the rate, from one stage to the next lower
HELD_OUT = 0.25
FEWEST_STEPS = 300
EPOCHS = 10
STEPS_PER_EPOCH = 50  # of the Trainer; shorter epochs cost more to start than to run
VIEWED_ROWS = 2000  # augmented copies are added to the head's features up to so many rows
MOST_VIEWS = 8
FEW_ROWS = 8  # of a step, where rows are large
FEWEST_TO_WARM_UP = 10  # steps
TRANSFER, SCRATCH = "transfer", "scratch"

Start = Callable[[Rows | None], "PreTrainedModel"]


@dataclass(frozen=True)
class Tuned:
    """A trained model and how its learning rate was chosen.

    Attributes:
        model: The model.
        learning_rate: The rate it was trained at; None when only the head was fitted.
        tried: Per rate ``learning_rate``, the validation ``loss`` and the task's metric.
        chosen_on: What the rate was chosen on.
        fit: The training of the model itself.
        seconds: All trainings together.
    """

    model: PreTrainedModel
    learning_rate: float | None
    tried: list[dict[str, float]]
    chosen_on: str
    fit: FitResult | None
    seconds: float


def schedule_for(
    options: Options, rows: int, *, batch: int | None = None, decay: float = DECAY, checkpoints: bool = False
) -> Schedule:
    """How long to train on so many rows: ten epochs and at least 300 steps, where the options do not say.

    Args:
        options: The options.
        rows: Training rows.
        batch: Rows of a step, where the options do not say; by default more, the more rows there are.
        decay: Factor of the learning rate from one stage to the next lower.
        checkpoints: Whether to write checkpoints on the way.
    """
    given = {name: value for name, value in options.training.items() if name != "learning_rate"}
    usual = batch or (32 if rows < 2000 else 64 if rows < 10_000 else 128)
    batch = int(given.get("per_device_train_batch_size", usual))
    arguments: dict[str, Any] = {
        "per_device_train_batch_size": batch,
        "weight_decay": 0.01,
        "warmup_steps": 0.1,
        "lr_scheduler_type": "linear",
        "seed": options.seed,
        **given,
    }
    if options.device is not None:
        arguments["use_cpu"] = options.device == "cpu"
    repeats = 1
    if "num_train_epochs" not in given and given.get("max_steps", -1) <= 0:
        arguments["max_steps"] = max(FEWEST_STEPS, math.ceil(EPOCHS * rows / batch))
        repeats = max(1, math.ceil(STEPS_PER_EPOCH * batch / rows))
    return Schedule(arguments, repeats, decay, checkpoints)


def rows_of_step(table: TensorTable) -> int | None:
    """How many rows a step takes where they are large, such as pictures of a detector; None where they are not."""
    return FEW_ROWS if table.rows_of_pass(FEW_ROWS, "cpu") < FEW_ROWS else None


def steps_of(schedule: Schedule, rows: int) -> int:
    """Optimizer steps of a schedule on so many rows."""
    arguments = schedule.arguments
    if arguments.get("max_steps", -1) > 0:
        return int(arguments["max_steps"])
    batch = int(arguments["per_device_train_batch_size"]) * int(arguments.get("gradient_accumulation_steps", 1))
    return math.ceil(float(arguments.get("num_train_epochs", 3)) * math.ceil(rows * schedule.repeats / batch))


def rates_for(options: Options, *, fresh: bool = False, usual: Sequence[float] = RATES) -> tuple[float, ...]:
    """The learning rates to choose among at first: three, or the one that the options name.

    Args:
        options: The options.
        fresh: For fresh weights, whatever the options name.
        usual: Those of a trained network, for Adam.
    """
    given = options.training.get("learning_rate")
    if given is not None and not fresh:
        return (float(given),)
    optimizer = str(options.training.get("optim", "adamw"))
    factor = next((value for name, value in _OPTIMIZER_FACTORS.items() if name in optimizer), 1.0)
    return tuple(rate * factor for rate in (FRESH_RATES if fresh else usual))


def rate_beyond(rates: Sequence[float], best: int) -> float | None:
    """One more rate to try where the best of several is the lowest or the highest; else None.

    Args:
        rates: From the lowest to the highest.
        best: Number of the best one.
    """
    if len(rates) == 1 or 0 < best < len(rates) - 1:
        return None
    return float(f"{rates[0] / BEYOND if best == 0 else rates[-1] * BEYOND:.2g}")


def number_of_views(rows: int) -> int:
    """How many augmented copies of so many rows the head is fitted on besides the rows themselves."""
    return max(0, min(MOST_VIEWS, VIEWED_ROWS // rows - 1))


class HeadFitter:
    """Fits new heads on the frozen network's features of the training rows, which are computed once.

    Where there are few rows, features of augmented copies are added.

    Args:
        model: The grafted model; it is left as it is.
        table: Training rows, not augmented.
        options: The options.
        num_labels: Number of classes.
    """

    def __init__(self, model: PreTrainedModel, table: TensorTable, options: Options, num_labels: int) -> None:
        self.model = model
        self.labels = table.labels
        self.groups = table.groups
        self.options = options
        self.num_labels = num_labels
        self.features = head_features(model, table, device=options.device)
        self.views: list[Tensor] = []
        if options.augmentation is not None:
            augmented = table.with_augmentation(options.augmentation, seed=options.seed)
            for number in range(number_of_views(len(table))):
                augmented.epoch = number
                self.views.append(head_features(model, augmented, device=options.device))
        self._head: Head | None = None

    def fit(self, rows: Rows | None = None) -> Head:
        """The head for these of the training rows; for all of them by default, with its regularisation chosen."""
        if rows is None and self._head is not None:
            return self._head
        index = torch.arange(len(self.labels)) if rows is None else rows
        head = fit_head(
            self.features[index],
            self.labels[index],
            self.options.head,
            num_labels=self.num_labels,
            seed=self.options.seed,
            views=[view[index] for view in self.views],
            hidden_size=getattr(self.model.config, "classifier_hidden_size", HIDDEN_SIZE),
            choose=rows is None,
            groups=None if self.groups is None else self.groups[index],
            bias=all(layer.bias is not None for layer in linear_layers(head_of(self.model)[1])),
        )
        if rows is None:
            self._head = head
        return head

    def start(self, rows: Rows | None) -> PreTrainedModel:
        """The network with the head for these rows."""
        model = copy.deepcopy(self.model)
        self.fit(rows).write(model)
        return model


def tune(
    run: ResumableRun,
    name: str,
    start: Start,
    train: TensorTable,
    validation: TensorTable | None,
    *,
    depth: int,
    rates: Sequence[float],
    schedule: Schedule,
    options: Options,
    choice: Choice,
    new: Sequence[str] = (),
) -> Tuned:
    """Choose the learning rate on rows that are held out, then train on all.

    Where the lowest or the highest of the rates is the best, one beyond it is tried as well.

    With validation rows of its own the best candidate is the result. Where a part of the training rows was held out,
    the network is trained once more, on all of them, at the rate that was best.

    Args:
        run: The run.
        name: ``transfer`` or ``scratch``.
        start: Gives the model to start from, for the numbers of the training rows it may learn from; None is all.
        train: Training rows, not augmented.
        validation: Rows to choose on, or None.
        depth: How many stages are trained besides the head.
        rates: Learning rates to choose among.
        schedule: The schedule.
        options: The options.
        choice: How candidates are compared.
        new: Names of parameters that are trained at any depth.
    """
    inner, outer, again, kept = train, validation, False, None
    if outer is None and (len(rates) > 1 or EARLY_STOPPING in options.training) and choice.can_hold_out(train):
        kept, held = choice.hold_out(train, held_out_share(options))
        inner, outer = train.select(kept), train.select(held)
        again = EARLY_STOPPING not in options.training
    if outer is None:
        rate = rates[len(rates) // 2]
        model = start(None)
        fit = fit_candidate(run, f"{name}-final", model, train, None, depth, rate, schedule, options, new)
        few = "rows" if train.groups is None else "rows or groups"
        return Tuned(model, rate, [], f"nothing: too few {few} to hold some out", fit, fit.seconds)

    begin = start(kept)
    candidates: list[tuple[PreTrainedModel, FitResult]] = []
    for number, rate in enumerate(rates):
        model = copy.deepcopy(begin)
        fit = fit_candidate(run, f"{name}-rate-{number}", model, inner, outer, depth, rate, schedule, options, new)
        candidates.append((model, fit))
    figures, scores = choice.judge([model for model, _ in candidates], outer)
    rates, best = list(rates), best_of(scores)
    if (beyond := rate_beyond(rates, best)) is not None:
        model = copy.deepcopy(begin)
        fit = fit_candidate(
            run, f"{name}-rate-{len(rates)}", model, inner, outer, depth, beyond, schedule, options, new
        )
        candidates.append((model, fit))
        rates.append(beyond)
        (figure,), (score,) = choice.judge([model], outer)
        figures.append(figure)
        best = len(candidates) - 1 if is_surely_better(score, scores[best]) else best
    tried = [{"learning_rate": rate, **shown} for rate, shown in zip(rates, figures, strict=True)]
    rate, (model, fit) = rates[best], candidates[best]
    settings = run.task.settings(model, outer)
    seconds = sum(fit.seconds for _, fit in candidates)
    if again:
        model = start(None)
        fit = fit_candidate(run, f"{name}-final", model, train, None, depth, rate, schedule, options, new)
        seconds += fit.seconds
    for field, value in settings.items():
        setattr(model.config, field, value)
    rows = f"{len(outer):,} rows {'of validation data' if validation is not None else 'held out of the training rows'}"
    return Tuned(model, rate, tried, rows, fit, seconds)


def without_validation(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Training arguments that ask for no validation."""
    return {name: value for name, value in arguments.items() if name not in (EARLY_STOPPING, "eval_strategy")}


def short_schedule(schedule: Schedule, steps: int) -> Schedule:
    """A schedule of so few steps that there is nothing to validate on the way, and of very few no warm-up."""
    arguments = {**without_validation(schedule.arguments), "max_steps": steps}
    if steps < FEWEST_TO_WARM_UP:
        arguments["warmup_steps"] = 0  # of one step, all would be warm-up at a rate of 0
    return Schedule(arguments, schedule.repeats, schedule.decay)


def held_out_share(options: Options) -> float:
    """The share of the training rows that is held out to choose on."""
    return options.validation if isinstance(options.validation, float) else HELD_OUT


def fit_candidate(
    run: ResumableRun,
    key: str,
    model: PreTrainedModel,
    train: TensorTable,
    validation: TensorTable | None,
    depth: int,
    rate: float,
    schedule: Schedule,
    options: Options,
    new: Sequence[str] = (),
) -> FitResult:
    """Train one candidate in place, as `ResumableRun.fit` does, on rows as the Trainer gets them."""
    arguments = dict(schedule.arguments)
    validates = EARLY_STOPPING in arguments or str(arguments.get("eval_strategy", "no")) != "no"
    if validation is None:
        arguments = without_validation(arguments)
    return run.fit(
        key,
        model,
        rows_to_learn(run, model, train, schedule, options),
        depth=depth,
        learning_rate=rate,
        schedule=Schedule(arguments, schedule.repeats, schedule.decay, schedule.checkpoints),
        validation=run.task.learning_rows(model, validation) if validates and validation is not None else None,
        new=new,
    )


def rows_to_learn(
    run: ResumableRun, model: PreTrainedModel, train: TensorTable, schedule: Schedule, options: Options
) -> TensorTable:
    """Training rows as the Trainer gets them: augmented, and repeated where there are few."""
    augmented = train.with_augmentation(options.augmentation or train.augmentation, seed=options.seed)
    return repeated(run.task.learning_rows(model, augmented), schedule.repeats)
