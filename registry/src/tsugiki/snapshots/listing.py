"""The models that are installed, by the records of their snapshots; imports neither torch nor transformers."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import SnapshotError
from ..registry import Checkpoint, registry
from .converted_weights import missing_distribution
from .made_for import made_for
from .provenance import WEIGHTS, Provenance


@dataclass(frozen=True)
class ModelInfo:
    """What `tsugiki list` shows of a checkpoint.

    Attributes:
        name: The checkpoint's name.
        plugin: The plugin it comes with.
        family: Its architecture, or None when its plugin does not declare one for its ``model_type``.
        task: The task it was trained for.
        parameters: Number of parameters.
        size_bytes: Size of the weights file.
        metrics: Metric name -> ``{"value", "low", "high", "n", "kind"}`` on the card's first evaluation.
        license: Licence of the weights.
        needs: How to install the distribution that its weights lie in, where that is not installed.
        input: The kind and the size of the inputs that it was made for, such as ``picture 32``.
    """

    name: str
    plugin: str
    family: str | None
    task: str | None
    parameters: int | None
    size_bytes: int
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    license: str | None = None
    needs: str | None = None
    input: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class ModelList(list[ModelInfo]):
    """Checkpoints; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        from ..notebook import html_table

        rows = [
            (
                info.name,
                info.task or "",
                f"{info.parameters:,}" if info.parameters is not None else "",
                next((f"{name} {metric['value']:.4f}" for name, metric in info.metrics.items()), ""),
                info.license or "",
            )
            for info in self
        ]
        return html_table(("name", "task", "parameters", "metric", "license"), rows)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key under which ``resnet18`` comes before ``resnet50`` and ``resnet110``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def model_info(checkpoint: Checkpoint) -> ModelInfo:
    """Read one checkpoint's provenance; a snapshot without a sound one is listed with what its files tell."""
    weights, inputs = checkpoint.path / WEIGHTS, made_for(checkpoint.path, words=False)
    known = ModelInfo(
        name=checkpoint.name,
        plugin=checkpoint.plugin_name,
        family=None,
        task=None,
        parameters=None,
        size_bytes=weights.stat().st_size if weights.exists() else 0,
        needs=missing_distribution(checkpoint),
        input=None if inputs is None else inputs.brief,
    )
    try:
        provenance = Provenance.read(checkpoint.path)
    except SnapshotError:
        return known
    return replace(
        known,
        family=provenance.family,
        task=provenance.task,
        parameters=provenance.parameters,
        metrics={
            name: metric.to_dict()
            for evaluation in provenance.evaluations[:1]
            for name, metric in evaluation.metrics.items()
        },
        license=provenance.license,
        size_bytes=known.size_bytes or provenance.weights.bytes,
    )


def list_models(
    pattern: str = "*", *, task: str | None = None, plugin: str | None = None, family: str | None = None
) -> ModelList:
    """The installed checkpoints whose name matches a shell pattern, in natural order.

    Args:
        pattern: Such as ``"lenet*"``.
        task: Only models of this task.
        plugin: Only models of this plugin.
        family: Only models of this family.

    Returns:
        A list with one `ModelInfo` each; nothing heavy is imported.
    """
    infos = [
        model_info(checkpoint)
        for checkpoint in registry().checkpoints()
        if fnmatch.fnmatchcase(checkpoint.name, pattern) and plugin in (None, checkpoint.plugin_name)
    ]
    kept = [info for info in infos if task in (None, info.task) and family in (None, info.family)]
    return ModelList(sorted(kept, key=lambda info: (natural_key(info.name), info.plugin)))
