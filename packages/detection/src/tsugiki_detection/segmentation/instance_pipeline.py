"""The pipeline of instance segmentation: transformers' own, with the model's threshold."""

from __future__ import annotations

from typing import Any

from transformers import ImageSegmentationPipeline
from tsugiki.images import fetch_image


class InstanceSegmentationPipeline(ImageSegmentationPipeline):
    """Pictures in, a mask for each object out, the best first: `score`, `label` and `mask`, a Pillow image of mode L.

    Gray pictures of more than 8 bits are scaled to 8 before the library makes them RGB.
    """

    def check_model_type(self, supported_models: Any) -> None:
        """Take the model: the library's list holds its own classes alone."""

    def preprocess(self, image: Any, subtask: Any = None, timeout: float | None = None) -> Any:  # type: ignore[override]
        """A Pillow image, a path, an address or base64 text to what the model takes."""
        return super().preprocess(fetch_image(image, timeout=timeout), subtask, timeout)

    def postprocess(  # type: ignore[override]
        self, model_outputs: Any, subtask: Any = None, threshold: float | None = None, **parameters: Any
    ) -> list[dict[str, Any]]:
        """The objects that score at least `threshold`, by default the config's `score_threshold`."""
        if threshold is None:
            threshold = float(getattr(self.model.config, "score_threshold", 0.5))
        return super().postprocess(model_outputs, subtask, threshold, **parameters)
