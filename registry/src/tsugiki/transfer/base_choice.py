"""Which installed base to begin with: those that read such inputs are compared by linear probes on the training rows.

A fine-tuning of each would tell it better and take hours. Probes are begun on few rows. Left before the next, larger
part are bases that are clearly worse, those that do no better than one of a quarter of their time, and, once there are
rows enough to tell, the worse half.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.load_data import load_split, splits
from ..data.splitting import folds_of
from ..durations import Stopwatch
from ..errors import DataError, OptionError, TsugikiError
from ..metrics import share_metric
from ..records import plain, read_record
from ..registry import registry
from ..shared_tasks import SHARED_TASKS
from ..snapshots.transfer_record import BaseChoice, BaseProbe
from ..tasks.classification import Classification
from ..tensor_table import TensorTable
from ..training.processes import of_main_process
from .announce import say
from .base_model import open_base
from .cache import FeatureCache
from .depth import FOLDS, probed_stages, right_answers
from .features import feature_key, stage_features
from .graft import graft
from .installed_bases import InstalledBase, installed_bases
from .learning_rows import LearningRows, find_learning_rows
from .options import Options
from .split_roles import split_roles
from .stages import check_stages

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AUTO = "auto"
FIRST, TIMES, MOST = 64, 4, 1000  # rows of the first round, times as many in the next, rows of the last at most
_ENOUGH = 128  # rows on which the worse half is left too
_EACH = 3  # rows of a class in the first round, where it has them
_SURE = 2  # standard errors by which a base is clearly worse
_SLOWER, _SLOW = 4, 10  # times the time of another, and seconds, which must be worth more than one standard error


@dataclass(eq=False)
class _Contender:
    """A base that is compared.

    Attributes:
        base: The base.
        seconds: What it took so far.
        features: By stage, of the rows so far.
        right: Which of the rows its probe answers right.
        stage: Whose features were the best.
    """

    base: InstalledBase
    seconds: float = 0.0
    model: PreTrainedModel | None = None
    processor: Any = None
    features: dict[str, list[Tensor]] = field(default_factory=dict)
    right: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    stage: str = ""

    @property
    def rank(self) -> tuple[float, int]:
        """The larger the better; of equals the smaller network."""
        return float(self.right.mean()), -(self.base.info.parameters or 0)

    def probe(self) -> BaseProbe:
        """What was measured."""
        return BaseProbe(self.base.name, share_metric(self.right), self.stage, round(self.seconds, 2))


def choose_base(data: Any, options: Options) -> BaseChoice:
    """Choose among the installed bases for the task, by probes on rows that learn, never on those to be measured on.

    Args:
        data: What it is to learn from.
        options: Whose `task` says what it is to do; by default what the data's columns say.

    Raises:
        OptionError: The task is none of classes, or no installed base fits.
        DataError: Data or a column is missing, or there is nothing to measure by.
    """
    task = _task(data, options)
    options = replace(options, task=task.name)
    found = find_learning_rows(data, task, options)
    bases = installed_bases(task.name, task.input_kind.things, words=False)
    ready = [base for base in bases if base.needs is None]
    absent = [BaseProbe(base.name, skipped=f"not installed: {base.needs}") for base in bases if base.needs is not None]
    if not ready:
        hints = "".join(f"; {probe.base} is {probe.skipped}" for probe in absent)
        raise OptionError(f"no base for {task.name} is installed{hints}; `tsugiki list` shows what is")
    probes = _compare(ready, found, task, options)
    best, *others = [probe.accuracy for probe in probes if probe.accuracy is not None]
    rows = f"{best.n:,} training rows by cross-validation"
    if others:
        slow = any(one.n == best.n and one.value > best.value for one in others)
        how = "as well as any, but for chance, in a quarter of the time" if slow else "best"
        why = (
            f"of {len(others) + 1} installed bases, a linear classifier on its frozen features tells the classes apart "
            f"{how}: {100 * best.value:.1f} % of {rows}."
        )
    else:
        why = f"it is the only installed base that reads these rows: {100 * best.value:.1f} % of {rows}."
    choice = BaseChoice(probes[0].base, [*probes, *absent], why)
    return read_record(BaseChoice, of_main_process(plain(choice)), "base", OptionError)


def _task(data: Any, options: Options) -> Classification:
    """The task that was asked for, or the one whose columns the data has."""
    if options.task is not None:
        task = registry().task_class(options.task)()
        if not isinstance(task, Classification):
            raise OptionError(
                f"{AUTO!r} compares bases by how well they tell classes apart, and the task {options.task!r} has none; "
                "name a base"
            )
        return task
    train, _, _ = split_roles(splits(data), options)
    dataset = load_split(data, train, revision=options.revision)
    given = {role: column for role, column in (options.columns or {}).items() if role != "group"}
    for name in SHARED_TASKS:
        task = registry().task_class(name)()
        assert isinstance(task, Classification)
        try:
            task.columns(dataset, given)
        except DataError:
            continue
        return task
    raise DataError(
        f"the columns {', '.join(dataset.column_names)} do not tell what is to be classified; name the task with "
        "task=, and its columns with columns="
    )


def _compare(
    bases: Sequence[InstalledBase], found: LearningRows, task: Classification, options: Options
) -> list[BaseProbe]:
    """Probe bases in rounds; the best first, those that failed last."""
    order, sizes = _rounds(found, options.seed)
    staying = [_Contender(base) for base in bases]
    left: list[_Contender] = []
    failed: list[BaseProbe] = []
    start = 0
    for size in sizes:
        rows = order[start:size]
        say(options, f"comparing {len(staying)} of {len(bases)} bases on {size:,} of {len(found.rows):,} training rows")
        for contender in list(staying):
            try:
                _probe(contender, rows, order[:size], found, task, options)
            except Exception as error:
                staying.remove(contender)
                failed.append(BaseProbe(contender.base.name, skipped=f"failed ({type(error).__name__})"))
                say(options, f"{contender.base.name} is left out: {_reason(error)}")
        if not staying:
            raise DataError(f"none of the {len(bases)} installed bases for {task.name} reads these rows")
        going_on = _going_on(sorted(staying, key=lambda contender: contender.rank, reverse=True))
        dropped = [contender for contender in staying if contender not in going_on]
        left = [*sorted(dropped, key=lambda contender: contender.rank, reverse=True), *left]
        staying = going_on
        if len(staying) == 1:
            break
        start = size
    return [*(contender.probe() for contender in (*staying, *left)), *failed]


def _rounds(found: LearningRows, seed: int) -> tuple[NDArray[np.int64], list[int]]:
    """Row numbers of which the first so many hold every class in its share, and how many each round looks at."""
    labels = found.labels[found.rows].numpy()
    generator = np.random.default_rng(seed)
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        place = (np.arange(len(rows)) + generator.random()) / len(rows)
        place[:_EACH] -= 1
        places[rows] = np.inf if len(rows) < 2 else place
    order = np.argsort(places, kind="stable")[: int(np.isfinite(places).sum())]
    if not len(order):
        raise DataError("every class has one example, by which bases cannot be compared; name a base")
    first = max(FIRST, _EACH * len(np.unique(labels)))
    most = min(max(MOST, first), len(order))
    sizes = [size for size in (first * TIMES**number for number in range(10)) if size < most] + [most]
    starts = [0, *sizes[:-1]]
    parts = [np.sort(order[start:stop]) for start, stop in zip(starts, sizes, strict=True)]
    return found.rows.numpy()[np.concatenate(parts)], sizes


def _probe(
    contender: _Contender,
    rows: NDArray[np.int64],
    seen: NDArray[np.int64],
    found: LearningRows,
    task: Classification,
    options: Options,
) -> None:
    """Compute features of more rows and measure anew on all of them."""
    clock = Stopwatch()
    if contender.model is None:
        base, contender.processor, _ = open_base(contender.base.name, found.dataset, options)
        check_stages(base)
        contender.model = graft(base, task.config_fields(found.label_names))
    model, numbers = contender.model, rows.tolist()
    table = task.table(found.dataset.select(numbers), contender.processor, found.columns, label_names=found.label_names)
    for name, features in stage_features(model, table, probed_stages(model), device=options.device).items():
        contender.features.setdefault(name, []).append(features)
    labels, groups = found.labels.numpy()[seen], None
    folds = min(FOLDS, int(np.bincount(labels)[np.unique(labels)].min()))
    if found.groups is not None and len(np.unique(found.groups.numbers[seen])) > 1:
        groups = found.groups.numbers.numpy()[seen]
        folds = min(folds, len(np.unique(groups)))
    parts = list(folds_of(labels, folds, options.seed, groups))
    order = np.argsort(np.concatenate([outside for _, outside in parts]))
    contender.right = np.zeros(0, bool)
    for name in probed_stages(model):
        right = right_answers(torch.cat(contender.features[name]), labels, parts)[order]
        if not len(contender.right) or right.mean() > contender.right.mean():
            contender.right, contender.stage = right, name
    contender.seconds += _as_first(model, table, clock.seconds)


def _as_first(model: PreTrainedModel, table: TensorTable, seconds: float) -> float:
    """The time of a probe when its features were not cached, so that a run that goes on chooses as it did."""
    key = feature_key(model, table)
    if key is None:
        return seconds
    cache, key = FeatureCache.default(), hashlib.sha256(f"{key} seconds".encode()).hexdigest()
    if (known := cache.get(key)) is None:
        cache.put(key, known := torch.tensor(seconds))
    return float(known)


def _going_on(ranked: Sequence[_Contender]) -> list[_Contender]:
    """The bases that are worth more rows, the best first.

    Args:
        ranked: All that were compared on the same rows, the best first.
    """
    close = [one for one in ranked if not _is_ahead(ranked[0], one, _SURE)]
    worth = [
        one
        for one in close
        if one.seconds < _SLOW
        or not any(_SLOWER * quick.seconds <= one.seconds and not _is_ahead(one, quick, 1) for quick in close)
    ]
    return worth[: max(2, -(-len(ranked) // 2))] if len(ranked[0].right) >= _ENOUGH else worth


def _is_ahead(first: _Contender, second: _Contender, errors: float) -> bool:
    """Whether one answers more of the same rows right than another, by more than so many standard errors."""
    ahead = first.right.astype(float) - second.right
    return bool(ahead.mean() > errors * ahead.std() / np.sqrt(len(ahead)))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TsugikiError) else f"{type(error).__name__}: {error}"
