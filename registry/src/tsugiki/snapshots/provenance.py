"""Provenance: the machine-readable record of how a snapshot came about, from which its card is rendered."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SnapshotError
from ..fingerprint import file_sha256
from ..output import write_json
from ..registry import registry

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..metrics import Metric
    from ..predictions import Predictions
    from ..task import Task

FILE = "provenance.json"
FORMAT = 2
WEIGHTS = "model.safetensors"
FAST_ROWS = 1000
_PACKAGES = ("tsugiki", "torch", "transformers", "accelerate", "datasets", "numpy")


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """Read ``provenance.json`` of a snapshot.

    Raises:
        SnapshotError: It is missing, not JSON, or of an unknown format.
    """
    path = Path(folder) / FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SnapshotError(f"{path} is not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise SnapshotError(f"{path}: format must be {FORMAT}; it was written by another version of tsugiki")
    return record


def write_provenance(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Write ``provenance.json`` of a snapshot."""
    write_json(Path(folder) / FILE, record)


def versions(*distributions: str) -> dict[str, str]:
    """Versions of Python and of the libraries that shape a result."""
    found = {"python": platform.python_version()}
    for name in dict.fromkeys((*_PACKAGES, *distributions)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware(*, device: str, processes: int, precision: str) -> dict[str, Any]:
    """What it ran on: device, its name, number of processes and threads, precision."""
    import torch

    name = torch.cuda.get_device_name() if device.startswith("cuda") else _processor_name()
    return {
        "device": device.partition(":")[0],
        "name": name,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "precision": precision,
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit(folder: str | Path) -> str | None:
    """The git commit of the checkout that `folder` lies in, or None."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def today() -> str:
    """The date in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def fast_rows(rows: int, *, seed: int = 0) -> np.ndarray:
    """The fixed seeded subset that fast verification measures: at most 1,000 row numbers, sorted."""
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(rows, min(rows, FAST_ROWS), replace=False))


def evaluation_record(
    task: Task,
    predictions: Predictions,
    *,
    dataset: str,
    split: str | None,
    revision: str | None,
    fingerprint: str,
    rows: int | None = None,
    seed: int = 0,
    name: str | None = None,
) -> dict[str, Any]:
    """One entry of ``evaluations``: the figures, and on the fast subset the count of right answers or sum of losses.

    With a `name` the metrics' keys end in it, and it stands in the entry. `rows` are those of the data set; where the
    task makes more or fewer of them, as windows of texts, their number is the entry's ``examples``.
    """
    examples = len(predictions)
    rows = examples if rows is None else rows
    subset = fast_rows(examples, seed=seed)
    return {
        "dataset": dataset,
        "split": split,
        "revision": revision,
        "fingerprint": fingerprint,
        "rows": rows,
        **({"examples": examples} if examples != rows else {}),
        "metrics": {key: metric.to_dict() for key, metric in named_metrics(task.metrics(predictions), name).items()},
        "fast": {"rows": len(subset), "seed": seed, **fast_score(task, predictions, subset)},
        **({"name": name} if name else {}),
    }


def named_metrics(metrics: Mapping[str, Metric], name: str | None) -> dict[str, Metric]:
    """Metrics whose keys end in the name of the data they were measured on, such as ``spearman_wordsim353``."""
    return {f"{key}_{name}" if name else key: metric for key, metric in metrics.items()}


def fast_score(task: Task, predictions: Predictions, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
    """``{"correct": count}`` of some rows, or ``{"sum": losses}`` for a task whose rows are not right or wrong."""
    if task.counted:
        return {"correct": int(task.correct(predictions)[rows].sum())}
    return {"sum": float(task.row_scores(predictions)[rows].sum())}


def weights_record(folder: str | Path) -> dict[str, Any]:
    """The entry ``weights``: file, SHA-256 and size."""
    path = Path(folder) / WEIGHTS
    return {"file": WEIGHTS, "sha256": file_sha256(path), "bytes": path.stat().st_size}


def required_distributions(config: Mapping[str, Any], own: str) -> list[str]:
    """Distributions that a network is put together from, besides its family's own.

    Args:
        config: Fields of its ``config.json``; the configs of its parts lie in it with their ``model_type``.
        own: The family's own distribution.

    Returns:
        Sorted names.
    """
    found: set[str] = set()
    for value in config.values():
        if isinstance(value, Mapping):
            if isinstance(model_type := value.get("model_type"), str):
                family = registry().family_of_model_type(model_type)
                found |= {family.distribution} if family is not None and not family.declaration.is_builtin else set()
            found.update(required_distributions(value, own))
    return sorted(found - {own})


def seeds_record(values: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """The entry ``seeds``: per metric the figure of every seed, mean and sample deviation; None for one seed."""
    if not values or len(next(iter(values.values()))) < 2:
        return None
    return {
        name: {"values": list(figures), "mean": float(np.mean(figures)), "sd": float(np.std(figures, ddof=1))}
        for name, figures in values.items()
    }


def parameter_count(model: PreTrainedModel) -> int:
    """Number of parameters; tied ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())
