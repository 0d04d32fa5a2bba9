"""Verification: every figure of a card measured again, in fp32, on the CPU where no other device is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..devices import check_device
from ..errors import DataError, SnapshotError, TsugikiError
from ..fingerprint import checked_fingerprint
from ..labelled_task import BoundTask
from ..metrics import Metric
from ..snapshots import resolve as snapshot
from ..snapshots.provenance import Evaluation, Provenance
from .front_matter import is_hub_id, short_name
from .validate import validate_card

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

    from ..predictions import Predictions
    from ..task import Task
    from ..tensor_table import TensorTable

EXAMPLES = 2
RELATIVE = 1e-3
_INTERVAL_SHARE = 0.1


@dataclass(frozen=True)
class Check:
    """One figure of a card, and what it is when measured again.

    Attributes:
        dataset: Data set it was measured on.
        split: Its split.
        metric: The metric; ``_low`` and ``_high`` are the ends of its interval, ``correct`` or ``sum`` the fast
            subset's count of right answers or sum of losses.
        card: What the card says.
        measured: What came out.
        tolerance: The difference that is allowed.
        ok: Whether the two are that near.
    """

    dataset: str
    split: str | None
    metric: str
    card: float
    measured: float
    tolerance: float
    ok: bool


@dataclass
class Verification:
    """What `verify` found.

    Attributes:
        name: The model as it was asked for.
        results: One check per figure.
        problems: What is wrong with the card besides, one sentence each.
        fast: Whether only the fixed subsets were measured.
    """

    name: str
    results: list[Check] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fast: bool = False

    @property
    def ok(self) -> bool:
        """Whether the card is complete, agrees with itself, and every figure was found again."""
        return not self.problems and bool(self.results) and all(check.ok for check in self.results)

    def _repr_html_(self) -> str:
        from ..notebook import html_lines, html_table

        rows = [
            (
                one.dataset,
                one.split or "",
                one.metric,
                f"{one.card:.4f}",
                f"{one.measured:.4f}",
                "ok" if one.ok else "NOT OK",
            )
            for one in self.results
        ]
        columns = ("data set", "split", "metric", "card", "measured", "")
        said = "\n".join([f"{self.name}: {'ok' if self.ok else 'NOT OK'}", *self.problems])
        return html_lines(said) + html_table(columns, rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "fast": self.fast,
            "results": [asdict(check) for check in self.results],
            "problems": list(self.problems),
        }


def verify(name: str | Path, data: Any = None, *, fast: bool = False, device: str = "cpu") -> Verification:
    """Measure a model's card again.

    The card is first validated offline, so that a digit changed by hand is found also where nothing can be measured.

    Args:
        name: What `tsugiki.load` takes.
        data: Where the data sets are, instead of their own names: a folder, a `Dataset` or a `DatasetDict`.
        fast: Measure only the fixed subset of at most 1,000 rows, whose count of right answers, or sum of losses, is
            on record.
        device: Where to compute.

    Returns:
        All figures with what they are when measured again.

    Raises:
        DataError: A data set is missing; says where it comes from.
        OptionError: The device is not on this machine.
        UnknownNameError: There is no such model.
        SnapshotError: A path leads to no snapshot. One that is damaged is a problem in the result.
    """
    check_device(device)
    folder = snapshot.resolve(name)
    found = Verification(str(name), problems=validate_card(folder), fast=fast)
    try:
        provenance = Provenance.read(folder)
    except SnapshotError:
        return found  # the validation has said so
    try:
        if provenance.evaluations:
            measure = _Measurement(folder, provenance, device)
            for evaluation in provenance.evaluations:
                measure(evaluation, data, found)
    except TsugikiError as error:
        if not isinstance(error, SnapshotError) and not found.problems:
            raise
        found.problems.append(str(error))  # beside a card that is wrong, its problems must be seen
    return found


class _Measurement:
    """A model, loaded once, that is measured on one data set after another."""

    def __init__(self, folder: Path, provenance: Provenance, device: str) -> None:
        import torch

        from ..evaluation import task_named
        from ..snapshots.snapshot import Snapshot

        self.provenance = provenance
        self.device = device
        self.task: Task = task_named(provenance.task)
        snapshot = Snapshot.of_folder(folder)
        self.model: PreTrainedModel = snapshot.model(provenance.task, torch.float32)
        self.processor = snapshot.processor()

    def __call__(self, evaluation: Evaluation, data: Any, found: Verification) -> None:
        """Add the checks of one evaluation to `found`, or the reason why there are none."""
        from ..evaluation import task_named

        self.task = task_named(evaluation.task or self.provenance.task)
        dataset = self._dataset(evaluation, data)
        called = " ".join(part for part in (short_name(evaluation.dataset), evaluation.split) if part)
        try:
            checked_fingerprint(
                dataset, evaluation.fingerprint, called=called, said_by="the card", rows=evaluation.rows
            )
        except DataError as error:
            found.problems.append(f"{error}, and its figures were not measured")
            return
        if found.fast:
            self._count(dataset, evaluation, found)
        else:
            self._measure(dataset, evaluation, found)

    def _dataset(self, evaluation: Evaluation, data: Any) -> Dataset:
        from ..data.formats import reading_as
        from ..data.groups import read_groups
        from ..data.load_data import IN_MEMORY, load_split
        from ..data.splitting import hold_out, hold_out_at_random

        name = evaluation.dataset
        sources = [data.source for data in self.provenance.learned.values() if data.id == name]
        if data is None and name == IN_MEMORY:
            raise DataError("the card was measured on data in memory; give the same data with data=")
        if data is None and not is_hub_id(name) and not Path(name).exists():
            raise DataError(f"a card does not tell in which folder {name!r} lies; say it with data= or --data")
        with reading_as(evaluation.format or None):
            dataset = load_split(
                name if data is None else data,
                evaluation.split,
                revision=evaluation.revision if data is None else None,
                source=next((source for source in [evaluation.source, *sources] if source), None),
            )
        selection = evaluation.selection
        if selection is None:
            return dataset
        groups = None if selection.group is None else read_groups(dataset, selection.group)
        if groups is not None and selection.left_out:
            return dataset.select(groups.rows_of_digests(selection.left_out).tolist())
        if selection.held_out is not None:
            numbers = None if groups is None else groups.numbers
            if selection.at_random:
                _, held = hold_out_at_random(len(dataset), selection.held_out, seed=selection.seed, groups=numbers)
            else:
                labels = self._table(dataset, evaluation).labels
                _, held = hold_out(labels, selection.held_out, seed=selection.seed, groups=numbers)
            dataset = dataset.select(held.tolist())
        return dataset

    def _measure(self, dataset: Dataset, evaluation: Evaluation, found: Verification) -> None:
        from ..evaluation.records import named_metrics

        predictions = self._predictions(self._table(dataset, evaluation), evaluation)
        measured = named_metrics(self.task.metrics(predictions), evaluation.name)
        for name, metric in evaluation.metrics.items():
            again = measured.get(name)
            if again is None or again.kind != metric.kind:
                found.problems.append(
                    f"task {self.task.name!r} measures no {metric.kind} {name!r}, which the card gives"
                )
                continue
            tolerance = tolerance_of(metric)
            # The ends are drawn at random besides: allow a tenth of the interval's width.
            width = tolerance + _INTERVAL_SHARE * abs(metric.high - metric.low)
            found.results += [
                _check(evaluation, name, metric.value, again.value, tolerance),
                _check(evaluation, f"{name}_low", metric.low, again.low, width),
                _check(evaluation, f"{name}_high", metric.high, again.high, width),
            ]

    def _count(self, dataset: Dataset, evaluation: Evaluation, found: Verification) -> None:
        from ..evaluation.records import fast_figure

        fast = evaluation.fast
        measured = fast_figure(self.task, self._predictions(self._subset(dataset, evaluation), evaluation))
        if fast.correct is not None and measured.correct is not None:
            check = _check(evaluation, "correct", fast.correct, measured.correct, EXAMPLES)
        elif fast.sum is not None and measured.sum is not None:
            check = _check(evaluation, "sum", fast.sum, measured.sum, RELATIVE * abs(fast.sum))
        else:
            counts = "counts" if measured.sum is None else "sums"
            found.problems.append(f"task {self.task.name!r} {counts} rows, and the card's fast figure does not")
            return
        found.results.append(check)

    def _subset(self, dataset: Dataset, evaluation: Evaluation) -> TensorTable:
        """The rows of fast verification: of the data set, so that no other is decoded, or of what the task makes."""
        from ..evaluation.records import fast_rows

        seed = evaluation.fast.seed
        if evaluation.examples is None:
            return self._table(dataset.select(fast_rows(len(dataset), seed=seed)), evaluation)
        table = self._table(dataset, evaluation)
        return table.select(fast_rows(len(table), seed=seed).tolist())

    def _table(self, dataset: Dataset, evaluation: Evaluation) -> TensorTable:
        from ..evaluation.evaluate import model_label_names

        columns = self.task.columns(dataset, evaluation.columns) if evaluation.columns else None
        names = list(evaluation.classes) or model_label_names(self.model)
        return BoundTask(self.task, names).table(dataset, self.processor, columns)

    def _predictions(self, table: TensorTable, evaluation: Evaluation) -> Predictions:
        from ..evaluation.chosen_classes import ChosenClasses
        from ..evaluation.evaluate import model_label_names, predict_table

        found = predict_table(self.model, table, device=self.device, task=self.task)
        if not evaluation.classes:
            return found
        return ChosenClasses.of(evaluation.classes, model_label_names(self.model)).predictions(found)


def tolerance_of(metric: Metric) -> float:
    """The difference allowed between card and measurement: 2 of the things that are counted, else 1e-3 relative.

    Of a count no more than a tenth, for otherwise 1 could not be told from 3.
    """
    match metric.kind:
        case "share":
            return EXAMPLES / max(metric.n, 1)
        case "count":
            return min(EXAMPLES, abs(metric.value) / 10)
        case "score":
            return RELATIVE * abs(metric.value)


def _check(evaluation: Evaluation, metric: str, card: float, measured: float, tolerance: float) -> Check:
    return Check(
        dataset=short_name(evaluation.dataset),
        split=evaluation.split,
        metric=metric,
        card=card,
        measured=measured,
        tolerance=tolerance,
        ok=abs(card - measured) <= tolerance + 1e-9,  # 1e-9: room for the rounding of 0.9921 - 0.9919
    )
