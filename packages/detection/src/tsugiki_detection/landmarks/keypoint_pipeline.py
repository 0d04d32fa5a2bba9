"""transformers' pipeline for landmarks, which it has none for."""

from __future__ import annotations

from typing import Any

from transformers import Pipeline
from transformers.image_utils import load_image
from tsugiki.images import fetch_image

from .keypoint_detection import point_answers


class KeypointPipeline(Pipeline):
    """From a picture, its file name or address to its points, each ``{"label", "score", "point": {"x", "y"}}``."""

    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = True  # type: ignore[assignment]
    _load_feature_extractor = False  # type: ignore[assignment]
    _load_tokenizer = False  # type: ignore[assignment]

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {}, {}

    def preprocess(self, input_: Any, **kwargs: Any) -> dict[str, Any]:
        """The network's inputs of one picture, and its size."""
        picture = load_image(fetch_image(input_))
        inputs = self.image_processor(images=picture, return_tensors="pt")  # type: ignore[misc]
        return {"pixel_values": inputs["pixel_values"].to(self.dtype), "size": (picture.height, picture.width)}

    def _forward(self, input_tensors: dict[str, Any], **kwargs: Any) -> Any:
        size = input_tensors.pop("size")
        return {"output": self.model(**input_tensors), "size": size}

    def postprocess(self, model_outputs: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """The points."""
        return point_answers(self.model.config, self.image_processor, model_outputs["output"], [model_outputs["size"]])[
            0
        ]
