"""Pictures into a detector's frame without a change of shape, and its answers back onto the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.image_utils import PILImageResampling, SizeDict
from tsugiki.picture_processing import ColorImageProcessor

from ..boxes.box_formats import clip_boxes, convert_boxes
from ..boxes.nms import batched_nms

MOST_CANDIDATES = 1000  # boxes of a picture that non-maximum suppression looks at, the best
MOST_DETECTIONS = 100  # of a picture, as COCO counts them


class LetterboxImageProcessor(ColorImageProcessor):
    """Shrink or enlarge a picture until it just fits the frame, lay it into the upper left corner, fill the rest.

    Attributes:
        size: Height and width of the frame.
        pad_value: What the rest is filled with, 0 to 255.
        iou_threshold: Of two boxes of one class that overlap by more, the better one is kept.
        no_object_class: Whether the last logit stands for "no object", as in DETR, and scores are the others' softmax.
    """

    size = {"height": 320, "width": 320}  # noqa: RUF012
    resample = PILImageResampling.BILINEAR
    pad_value = 114
    iou_threshold = 0.6
    no_object_class = False

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture has within the frame."""
        scale = min(self.size["height"] / height, self.size["width"] / width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def resize(
        self,
        image: np.ndarray,
        size: SizeDict,
        resample: PILImageResampling | None = None,
        reducing_gap: int | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """Fit one array `(C, H, W)` into the frame."""
        height, width = self.fitted(*image.shape[1:])
        inner = super().resize(image, SizeDict(height=height, width=width), resample, reducing_gap, **kwargs)
        frame = np.full((len(inner), int(size.height or 0), int(size.width or 0)), self.pad_value, inner.dtype)
        frame[:, :height, :width] = inner
        return frame

    def to_frame(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """Corners (..., 4) in pixels of a picture as fractions of the frame."""
        return boxes * self._fractions(height, width).to(boxes)

    def to_picture(self, boxes: Tensor, height: int, width: int) -> Tensor:
        """Corners (..., 4) as fractions of the frame in pixels of a picture, cut at its borders."""
        return clip_boxes(boxes / self._fractions(height, width).to(boxes), width, height)

    def _fractions(self, height: int, width: int) -> Tensor:
        """Of the frame, for each pixel of a picture (4,)."""
        inner_height, inner_width = self.fitted(height, width)
        across, down = inner_width / width / self.size["width"], inner_height / height / self.size["height"]
        return torch.tensor([across, down, across, down], dtype=torch.float64)

    def post_process_object_detection(
        self,
        outputs: Any,
        threshold: float = 0.5,
        target_sizes: Tensor | Sequence[tuple[int, int]] | None = None,
        *,
        max_detections: int = MOST_DETECTIONS,
    ) -> list[dict[str, Tensor]]:
        """Boxes with scores and classes; of several on one object the best alone.

        Args:
            outputs: What a detector returned: ``logits`` (B, Q, C), ``objectness`` (B, Q) where it has one, and
                ``pred_boxes`` (B, Q, 4) as centre and size in fractions of the frame.
            threshold: Least score, 0 to 1.
            target_sizes: Height and width of each picture; without them boxes are fractions of the frame.
            max_detections: Of a picture, the best.

        Returns:
            For each picture ``scores`` (K,) from high to low, ``labels`` int64 (K,), and ``boxes`` (K, 4), corners.

        Raises:
            ValueError: There are not as many sizes as pictures.
        """
        scores = class_scores(outputs, no_object_class=self.no_object_class)  # (B, Q, C)
        corners = convert_boxes(outputs["pred_boxes"].float(), "cxcywh", "xyxy")  # (B, Q, 4)
        if target_sizes is not None and len(target_sizes) != len(scores):
            raise ValueError(f"there are {len(scores)} pictures and {len(target_sizes)} target sizes")
        found = []
        for number, (score, box) in enumerate(zip(scores, corners, strict=True)):
            one = best_boxes(score, box, threshold, self.iou_threshold, max_detections)
            if target_sizes is not None:
                height, width = (int(side) for side in target_sizes[number])
                one["boxes"] = self.to_picture(one["boxes"], height, width)
            found.append(one)
        return found


def class_scores(outputs: Any, *, no_object_class: bool = False) -> Tensor:
    """Scores 0 to 1 of every candidate and class (B, Q, C): of the class, times that there is an object at all."""
    if no_object_class:
        return outputs["logits"].float().softmax(-1)[..., :-1]
    scores = outputs["logits"].float().sigmoid()
    objectness = outputs.get("objectness")
    return scores if objectness is None else scores * objectness.float().sigmoid()[..., None]


def best_boxes(
    scores: Tensor, corners: Tensor, threshold: float, iou_threshold: float, max_detections: int
) -> dict[str, Tensor]:
    """What is left of a picture's candidates after non-maximum suppression by class.

    Args:
        scores: (Q, C).
        corners: (Q, 4).
        threshold: Least score.
        iou_threshold: Of the suppression.
        max_detections: At most so many boxes.
    """
    candidates, classes = (scores > threshold).nonzero(as_tuple=True)
    values = scores[candidates, classes]
    if len(values) > MOST_CANDIDATES:
        values, best = values.topk(MOST_CANDIDATES)
        candidates, classes = candidates[best], classes[best]
    boxes = corners[candidates]
    kept = batched_nms(boxes, values, classes, iou_threshold)[:max_detections]
    return {"scores": values[kept], "labels": classes[kept], "boxes": boxes[kept]}
