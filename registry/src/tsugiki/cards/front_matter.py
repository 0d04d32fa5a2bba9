"""The front matter of a card: the metadata that the Hub reads, through `huggingface_hub`'s own classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from ..errors import CardError
from . import numbers
from .licenses import check_license

INTERVAL = "interval_95"
_BLOCK = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*\Z")
_MODEL_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?\Z")


def render_front_matter(provenance: Mapping[str, Any]) -> str:
    """The YAML of a card's front matter, without its fences.

    Raises:
        CardError: The licence is not one of the Hub's.
    """
    check_license(provenance)
    evaluations = provenance["evaluations"]
    data = ModelCardData(
        license=provenance["license"],
        license_name=provenance.get("license_name"),
        license_link=provenance.get("license_link"),
        library_name="tsugiki",
        pipeline_tag=pipeline_tag(provenance),
        base_model=_base_model(provenance),
        datasets=_datasets(provenance) or None,
        metrics=list(dict.fromkeys(metric for evaluation in evaluations for metric in evaluation["metrics"])),
        tags=list(dict.fromkeys(["tsugiki", provenance["plugin"], provenance["family"]])),
        model_name=provenance["name"],
        eval_results=[
            _result(evaluation.get("task") or provenance["task"], evaluation, metric)
            for evaluation in evaluations
            for metric in evaluation["metrics"]
        ],
    )
    return data.to_yaml(line_break="\n")


def pipeline_tag(provenance: Mapping[str, Any]) -> str:
    """What the Hub calls the task."""
    return provenance.get("pipeline_tag") or provenance["task"]


def split_card(readme: str) -> tuple[str, str]:
    """A README as its front matter (without fences) and its text.

    Raises:
        CardError: It does not start with front matter.
    """
    match = _BLOCK.match(readme)
    if match is None:
        raise CardError("README.md does not start with front matter between two lines of '---'")
    return match[1], readme[match.end() :]


def parse_front_matter(front_matter: str) -> dict[str, Any]:
    """The front matter as plain data.

    Raises:
        CardError: It is not a YAML mapping.
    """
    try:
        data = yaml.safe_load(front_matter)
    except yaml.YAMLError as error:
        raise CardError(f"the front matter of README.md is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise CardError("the front matter of README.md is not a YAML mapping")
    return data


def short_name(name: str) -> str:
    """How a card calls a data set or model: its id, or of a local folder the last part only."""
    return name if is_hub_id(name) else PurePath(name).name or name


def is_hub_id(name: str) -> bool:
    """Whether a data set or model is named as ``org/name``."""
    return _HUB_ID.match(name) is not None


def _datasets(provenance: Mapping[str, Any]) -> list[str]:
    """Ids of the data it learnt from, without local folders. The Hub links those that it has."""
    ids = [data["id"] for data in provenance["data"].values() if data]
    return list(dict.fromkeys(name for name in ids if is_hub_id(name)))


def _base_model(provenance: Mapping[str, Any]) -> str | None:
    base = provenance.get("base_model")
    return base if base and _MODEL_ID.match(base) else None


def _result(task: str, evaluation: Mapping[str, Any], metric: str) -> EvalResult:
    figures = evaluation["metrics"][metric]
    return EvalResult(
        task_type=task,
        dataset_type=short_name(evaluation["dataset"]),
        dataset_name=short_name(evaluation["dataset"]),
        dataset_split=evaluation["split"],
        dataset_revision=evaluation.get("revision"),
        metric_type=metric,
        metric_name=numbers.metric_name(metric),
        metric_value=figures["value"],
        metric_args={INTERVAL: [figures["low"], figures["high"]], "rows": evaluation["rows"]},
    )
