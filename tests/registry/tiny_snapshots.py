"""Snapshots of the toy's image classifiers with fresh weights, small enough to write in every test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from tsugiki.registry import registry
from tsugiki.snapshots.loading import create_model

from .card_snapshots import provenance_record

LABELS = ["ant", "bee", "cow"]
SIZES: dict[str, dict[str, Any]] = {
    "plain": {"hidden_sizes": [12, 8]},
    "flat": {"hidden_sizes": [8, 6]},
    "normed": {"stage_channels": [4, 4, 8]},
    # Fewer than 16 channels before a strided 1x1 convolution, and oneDNN's backward pass writes beyond its memory:
    # https://github.com/uxlfoundation/oneDNN/issues/6035
    "resnet": {"embedding_size": 16, "hidden_sizes": [16, 16], "depths": [1, 1], "layer_type": "basic"},
}


def write_snapshot(
    folder: Path,
    family: str = "plain",
    sizes: dict[str, Any] | None = None,
    *,
    dtype: str = "float32",
    seed: int = 0,
) -> Path:
    """Write an untrained image classifier with its processor; `dtype` is that of the stored weights."""
    torch.manual_seed(seed)
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    model = create_model(family, "image-classification", dtype=dtype, **(sizes or SIZES[family]), **labels)
    model.save_pretrained(folder)
    side = picture_size(model)
    registry().family(family).processor_class()(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def write_spots(folder: Path) -> Path:
    """Write an untrained finder of spots with its processor."""
    torch.manual_seed(0)
    model = create_model("spots", "spot-finding")
    model.save_pretrained(folder)
    side = picture_size(model)
    registry().family("spots").processor_class()(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def picture_size(model: Any) -> int:
    """Pixels a side of what the model takes."""
    return getattr(model.config, "image_size", 32)


def pictures(model: Any, count: int = 2) -> torch.Tensor:
    """Random model inputs `(count, C, H, W)`."""
    side = picture_size(model)
    return torch.rand(count, model.config.num_channels, side, side, generator=torch.Generator().manual_seed(0))


def write_provenance(folder: Path, **fields: Any) -> None:
    """Write a ``provenance.json`` that records the weights as they are now."""
    weights = (folder / "model.safetensors").read_bytes()
    recorded = {"file": "model.safetensors", "sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    (folder / "provenance.json").write_text(json.dumps(provenance_record(**{"weights": recorded, **fields})))


def change_json(path: Path, **fields: Any) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
