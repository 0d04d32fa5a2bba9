"""Detectors that transformers has and no plugin declares, DETR and its kin: frames, labels and scores as they want.

They learn from a list of dictionaries, where tables hold one padded tensor. Most of their processors keep each
picture's shape and pad a batch, so that a table of them has no one size; a letterbox with their mean and deviation
takes the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tsugiki.snapshots.transformers_families import family_of_model, is_found
from tsugiki.tensor_table import Batch

from .box_labels import BOX, CLASS, CROWD, is_object
from .letterbox_processor import LetterboxImageProcessor


def is_transformers_detector(model: Any) -> bool:
    """Whether a model is one of an architecture that no plugin declares."""
    family = family_of_model(model)
    return family is not None and is_found(family)


@dataclass(frozen=True)
class ListedLabels:
    """Hands a batch's boxes over as transformers' own detectors take them.

    Attributes:
        before: What the table did with a batch.
    """

    before: Callable[[Batch], Batch] | None

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """The batch with ``labels`` as a list of ``{"class_labels": (M,), "boxes": (M, 4)}``, boxes as centre and size.

        Objects that are to be ignored are left out, for these losses cannot ignore a place.
        """
        changed = batch if self.before is None else self.before(batch)
        asked = is_object(changed["labels"]) & (changed["labels"][..., CROWD] == 0)
        rows = [row[real] for row, real in zip(changed["labels"], asked, strict=True)]
        return {**changed, "labels": [{"class_labels": row[:, CLASS].long(), "boxes": row[:, BOX]} for row in rows]}


def in_one_frame(processor: Any) -> Any:
    """A processor that gives every picture the same size: the given one, or a letterbox that stands for it.

    The letterbox is a square of the shorter side that pictures are resized to, or of the longest they may have. Its
    boxes are not suppressed, for these networks give one box an object.
    """
    size = {name: int(value) for name, value in dict(processor.size or {}).items() if value}
    if {"height", "width"} <= set(size) or not size:
        return processor
    side = size.get("shortest_edge") or max(size.values())
    fields: dict[str, Any] = {
        "size": {"height": side, "width": side},
        "image_mean": list(processor.image_mean),
        "image_std": list(processor.image_std),
        "iou_threshold": 1.0,
        "no_object_class": scores_by_softmax(processor),
    }
    return LetterboxImageProcessor(**fields)


def scores_by_softmax(processor: Any) -> bool:
    """Whether a processor takes the last logit for "no object" and the others' softmax for scores, as DETR's does.

    Asked with one candidate whose last logit is by far the highest.
    """
    from transformers.utils import ModelOutput

    sure: Tensor = torch.tensor([[[-20.0, 20.0]]])
    answer = ModelOutput(logits=sure, pred_boxes=torch.full((1, 1, 4), 0.5))
    [found] = processor.post_process_object_detection(answer, 0.5, [(1, 1)])
    return not len(found["scores"])
