"""transformers' pipeline for detectors, with boxes as exact as they were found: its own cuts them to integers."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import ObjectDetectionPipeline


class BoxDetectionPipeline(ObjectDetectionPipeline):
    """From a picture to its objects, each ``{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}`` in pixels."""

    def _get_bounding_box(self, box: Tensor) -> dict[str, Any]:
        """Corners (4,) by name."""
        return dict(zip(("xmin", "ymin", "xmax", "ymax"), box.tolist(), strict=True))

    def postprocess(  # type: ignore[override]
        self, model_outputs: Any, threshold: float | None = None
    ) -> Any:
        """The objects that score at least `threshold`, by default the config's `score_threshold`."""
        if threshold is None:
            threshold = float(getattr(self.model.config, "score_threshold", 0.5))
        return super().postprocess(model_outputs, threshold)
