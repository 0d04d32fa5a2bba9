"""Verification: every figure of a card measured again, in fp32 on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, SnapshotError, TsugikiError
from ..metrics import Metric
from ..snapshots import resolve as snapshot
from ..snapshots.provenance import fast_rows, fast_score, named_metrics, read_provenance
from .front_matter import short_name
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "fast": self.fast,
            "results": [asdict(check) for check in self.results],
            "problems": list(self.problems),
        }


def verify(name: str | Path, data: Any = None, *, fast: bool = False) -> Verification:
    """Measure a model's card again.

    The card is first validated offline, so that a digit changed by hand is found also where nothing can be measured.

    Args:
        name: What `tsugiki.load` takes.
        data: Where the data sets are, instead of their own names: a folder, a `Dataset` or a `DatasetDict`.
        fast: Measure only the fixed subset of at most 1,000 rows, whose count of right answers, or sum of losses, is
            on record.

    Returns:
        All figures with what they are when measured again.

    Raises:
        DataError: A data set is missing; says where it comes from.
        UnknownNameError: There is no such model.
        SnapshotError: A path leads to no snapshot. One that is damaged is a problem in the result.
    """
    folder = snapshot.resolve(name)
    found = Verification(str(name), problems=validate_card(folder), fast=fast)
    try:
        provenance = read_provenance(folder)
        evaluations = list(provenance["evaluations"])
        task_name = provenance["task"]
    except (SnapshotError, KeyError, TypeError):
        return found  # the validation has said so
    try:
        if evaluations:
            measure = _Measurement(folder, task_name, provenance)
            for evaluation in evaluations:
                measure(evaluation, data, found)
    except TsugikiError as error:
        if not isinstance(error, SnapshotError) and not found.problems:
            raise
        found.problems.append(str(error))  # beside a card that is wrong, its problems must be seen
    return found


class _Measurement:
    """A model, loaded once, that is measured on one data set after another."""

    def __init__(self, folder: Path, task: str, provenance: Mapping[str, Any]) -> None:
        import torch

        from ..evaluation.evaluate import task_named
        from ..snapshots.loading import load, load_processor

        self.provenance = provenance
        self.task_name = task
        self.task: Task = task_named(task)
        self.model: PreTrainedModel = load(folder, task=task, dtype=torch.float32)
        self.processor = load_processor(folder)

    def __call__(self, evaluation: Mapping[str, Any], data: Any, found: Verification) -> None:
        """Add the checks of one evaluation to `found`, or the reason why there are none."""
        from ..evaluation.evaluate import task_named

        self.task = task_named(evaluation.get("task", self.task_name))
        dataset = self._dataset(evaluation, data)
        place = " ".join(part for part in (short_name(evaluation["dataset"]), evaluation["split"]) if part)
        if difference := _other_data(dataset, evaluation):
            found.problems.append(f"{place}: {difference}; its figures were not measured")
        elif found.fast:
            self._count(dataset, evaluation, found, place)
        else:
            self._measure(dataset, evaluation, found)

    def _dataset(self, evaluation: Mapping[str, Any], data: Any) -> Dataset:
        from ..load_data import load_split
        from ..splitting import hold_out
        from ..transfer.splits import IN_MEMORY

        name = evaluation["dataset"]
        records = [record for record in self.provenance["data"].values() if record and record["id"] == name]
        if data is None and name == IN_MEMORY:
            raise DataError("the card was measured on data in memory; give the same data with data=")
        dataset = load_split(
            name if data is None else data,
            evaluation["split"],
            revision=evaluation.get("revision") if data is None else None,
            source=evaluation.get("source") or next((record.get("source") for record in records), None),
        )
        if selection := evaluation.get("selection"):
            labels = self._table(dataset, evaluation).labels
            dataset = dataset.select(hold_out(labels, selection["held_out"], seed=selection["seed"])[1])
        return dataset

    def _measure(self, dataset: Dataset, evaluation: Mapping[str, Any], found: Verification) -> None:
        predictions = self._predictions(self._table(dataset, evaluation))
        measured = named_metrics(self.task.metrics(predictions), evaluation.get("name"))
        for metric, figures in evaluation["metrics"].items():
            if metric not in measured:
                found.problems.append(f"task {self.task.name!r} does not measure {metric!r}, which the card gives")
                continue
            again = measured[metric].to_dict()
            tolerance = tolerance_of(Metric(**figures))
            # The ends are drawn at random besides: allow a tenth of the interval's width.
            width = tolerance + _INTERVAL_SHARE * abs(figures["high"] - figures["low"])
            for key, allowed in (("value", tolerance), ("low", width), ("high", width)):
                label = metric if key == "value" else f"{metric}_{key}"
                found.results.append(_check(evaluation, label, figures[key], again[key], allowed))

    def _count(self, dataset: Dataset, evaluation: Mapping[str, Any], found: Verification, place: str) -> None:
        fast = evaluation.get("fast") or {}
        measured = fast_score(self.task, self._predictions(self._subset(dataset, evaluation))) if fast else {}
        kept = [key for key in measured if key in fast]
        if not kept:
            found.problems.append(f"{place}: provenance.json has no fast figure; verify without --fast")
        for key in kept:
            tolerance = EXAMPLES if key == "correct" else RELATIVE * abs(fast[key])
            found.results.append(_check(evaluation, key, fast[key], measured[key], tolerance))

    def _subset(self, dataset: Dataset, evaluation: Mapping[str, Any]) -> TensorTable:
        """The rows of fast verification: of the data set, so that no other is decoded, or of what the task makes."""
        seed = evaluation["fast"]["seed"]
        if "examples" not in evaluation:
            return self._table(dataset.select(fast_rows(len(dataset), seed=seed)), evaluation)
        table = self._table(dataset, evaluation)
        return table.select(fast_rows(len(table), seed=seed).tolist())

    def _table(self, dataset: Dataset, evaluation: Mapping[str, Any]) -> TensorTable:
        from ..evaluation.evaluate import model_label_names

        given = evaluation.get("columns")
        columns = self.task.columns(dataset, given) if given else None
        return self.task.table(dataset, self.processor, columns, label_names=model_label_names(self.model))

    def _predictions(self, table: TensorTable) -> Predictions:
        from ..evaluation.evaluate import predict_table

        return predict_table(self.model, table, device="cpu", task=self.task)


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


def _check(evaluation: Mapping[str, Any], metric: str, card: float, measured: float, tolerance: float) -> Check:
    return Check(
        dataset=short_name(evaluation["dataset"]),
        split=evaluation["split"],
        metric=metric,
        card=card,
        measured=measured,
        tolerance=tolerance,
        ok=abs(card - measured) <= tolerance + 1e-9,  # 1e-9: room for the rounding of 0.9921 - 0.9919
    )


def _other_data(dataset: Dataset, evaluation: Mapping[str, Any]) -> str | None:
    """Why a data set is not the one that a card was measured on, or None."""
    from ..fingerprint import content_fingerprint

    if len(dataset) != evaluation["rows"]:
        return f"it has {len(dataset):,} rows here and the card counts {evaluation['rows']:,}"
    fingerprint = content_fingerprint(dataset)
    if fingerprint != evaluation["fingerprint"]:
        return f"its content fingerprint is {fingerprint} here and {evaluation['fingerprint']} on the card"
    return None
