"""The front matter of a card: the metadata that the Hub reads, through `huggingface_hub`'s own classes."""

from __future__ import annotations

import re
from pathlib import PurePath

from huggingface_hub import EvalResult, ModelCardData

from ..errors import CardError
from ..metrics import Metric
from ..snapshots.provenance import Evaluation, Provenance
from . import numbers
from .licenses import check_license
from .metadata import CardMetadata, license_link
from .yaml_block import BLOCK

INTERVAL = "interval_95"
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*\Z")
_MODEL_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?\Z")


def render_front_matter(provenance: Provenance, metadata: CardMetadata) -> str:
    """The YAML of a card's front matter, without its fences.

    Args:
        provenance: What is recorded.
        metadata: What the prose states besides.

    Raises:
        CardError: The licence is not one of the Hub's.
    """
    link = license_link(metadata, provenance.license, _source(provenance))
    check_license(provenance.license, provenance.license_name, link)
    language = list(metadata.language)
    data = ModelCardData(
        language=(language[0] if len(language) == 1 else language) or None,
        license=provenance.license,
        license_name=provenance.license_name,
        license_link=link,
        library_name="tsugiki",
        pipeline_tag=provenance.hub_task,
        base_model=_base_model(provenance),
        datasets=_datasets(provenance) or None,
        metrics=list(provenance.metrics),
        tags=list(dict.fromkeys(["tsugiki", provenance.plugin, provenance.family])),
        model_name=provenance.name,
        eval_results=[
            _result(evaluation.task or provenance.task, evaluation, name, metric)
            for evaluation in provenance.evaluations
            for name, metric in evaluation.metrics.items()
        ],
    )
    return data.to_yaml(line_break="\n")


def split_card(readme: str) -> tuple[str, str]:
    """A README as its front matter (without fences) and its text.

    Raises:
        CardError: It does not start with front matter.
    """
    match = BLOCK.match(readme)
    if match is None:
        raise CardError("README.md does not start with front matter between two lines of '---'")
    return match[1], readme[match.end() :]


def short_name(name: str) -> str:
    """How a card calls a data set or model: its id, or of a local folder the last part only."""
    return name if is_hub_id(name) else PurePath(name).name or name


def is_hub_id(name: str) -> bool:
    """Whether a data set or model is named as ``org/name``."""
    return _HUB_ID.match(name) is not None


def _datasets(provenance: Provenance) -> list[str]:
    """Ids of the data it learnt from, without local folders. The Hub links those that it has."""
    stated = [] if provenance.distributed is None else provenance.distributed.datasets
    ids = [*stated, *(data.id for data in provenance.learned.values())]
    return list(dict.fromkeys(name for name in ids if is_hub_id(name)))


def _source(provenance: Provenance) -> str:
    """Where the data comes from that the licence may follow from."""
    return "" if provenance.data is None else provenance.data.train.source


def _base_model(provenance: Provenance) -> str | None:
    base = provenance.base_model
    return base if base and _MODEL_ID.match(base) else None


def _result(task: str, evaluation: Evaluation, name: str, metric: Metric) -> EvalResult:
    return EvalResult(
        task_type=task,
        dataset_type=short_name(evaluation.dataset),
        dataset_name=short_name(evaluation.dataset),
        dataset_split=evaluation.split,
        dataset_revision=evaluation.revision,
        metric_type=name,
        metric_name=numbers.metric_name(name),
        metric_value=metric.value,
        metric_args={INTERVAL: [metric.low, metric.high], "rows": evaluation.rows},
    )
