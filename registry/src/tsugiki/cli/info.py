"""`tsugiki info`: everything that is known of one model or one family, read from files and manifests."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..durations import duration
from ..errors import TsugikiError, UnknownNameError
from ..records import plain
from ..registry import RegisteredFamily, registry
from .options import Json, ModelName
from .output import format_bytes, format_metric, print_facts, print_json

LABELS_SHOWN = 20


def command(name: ModelName, json: Json = False) -> None:
    """Show what is known of one model or family.

    Example:
        tsugiki info lenet5-mnist
        tsugiki info lenet
    """
    facts = _facts(name)
    if json:
        print_json(plain(facts))
        return
    known = {key: value for key, value in facts.items() if value not in (None, "", [], {})}
    print_facts({key.replace("_", " "): _readable(key, value) for key, value in known.items()}, max(map(len, facts)))


def _facts(name: str) -> dict[str, Any]:
    try:
        return family_facts(registry().family(name))
    except UnknownNameError:
        from ..snapshots.resolve import resolve

        return snapshot_facts(_embedded(name) or resolve(name))


def _embedded(name: str) -> Path | None:
    """The folder of a checkpoint whose weights another distribution ships, which tells all but the weights."""
    try:
        checkpoint = registry().checkpoint(name)
    except TsugikiError:
        return None
    return checkpoint.path if checkpoint.weights is not None else None


def family_facts(family: RegisteredFamily) -> dict[str, Any]:
    """What a plugin's manifest says of a family; its classes are not imported."""
    from ..snapshots.listing import list_models

    return {
        "family": family.name,
        "plugin": family.plugin_name,
        "distribution": family.distribution,
        "paper": family.declaration.paper,
        "model_type": family.model_type,
        "config": family.declaration.config,
        "models": dict(family.declaration.models),
        "processor": family.declaration.processor,
        "stages": list(family.declaration.stages),
        "onnx": family.declaration.onnx is True,
        "checkpoints": [info.name for info in list_models(family=family.name, plugin=family.plugin_name)],
    }


def snapshot_facts(folder: Path) -> dict[str, Any]:
    """What a snapshot's own files say of it."""
    from ..snapshots.made_for import made_for
    from ..snapshots.provenance import WEIGHTS, Provenance

    config, known = _read(folder / "config.json"), Provenance.find(folder)
    weights = folder / WEIGHTS
    labels = config.get("id2label") or {}
    return {
        "name": folder.name if known is None else known.name,
        "plugin": known and known.plugin,
        "family": known and known.family,
        "task": known and known.task,
        "made_for": made_for(folder),
        "model_type": config.get("model_type"),
        "architectures": config.get("architectures"),
        "parameters": known and known.parameters,
        "size_bytes": weights.stat().st_size if weights.is_file() else None,
        "license": known and known.license,
        "distributed": known and known.distributed and plain(known.distributed),
        "base_model": known and known.base_model,
        "labels": [labels[key] for key in sorted(labels, key=int)],
        "data": known and known.data,
        "evaluations": known and known.evaluations,
        "seconds": known and known.seconds,
        "command": known and known.command,
        "path": str(folder),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json_module.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _readable(key: str, value: Any) -> str:
    match key:
        case "parameters":
            return f"{value:,}"
        case "size_bytes":
            return format_bytes(value)
        case "seconds":
            return duration(value)
        case "data":
            return ", ".join(f"{role}: {one.id} {one.split}" for role, one in vars(value).items() if one)
        case "evaluations":
            return "; ".join(
                f"{one.dataset} {one.split}: "
                + ", ".join(format_metric(name, metric) for name, metric in one.metrics.items())
                for one in value
            )
        case "labels" if len(value) > LABELS_SHOWN:
            return f"{', '.join(value[:LABELS_SHOWN])} and {len(value) - LABELS_SHOWN:,} more (all of them with --json)"
        case "distributed":
            return f"with {value['name']} {value['version']}, as {value['file']}"
        case _ if isinstance(value, Mapping):
            return ", ".join(f"{name}: {item}" for name, item in value.items())
        case _ if isinstance(value, list):
            return ", ".join(map(str, value))
        case _:
            return str(value)
