"""The pipeline of semantic segmentation: transformers' own, with scores, and pictures opened as elsewhere here."""

from __future__ import annotations

from typing import Any

import PIL.Image
from transformers import ImageSegmentationPipeline
from tsugiki.images import fetch_image

from .semantic_image_processor import resized_logits
from .semantic_segmentation import named_classes


class SemanticSegmentationPipeline(ImageSegmentationPipeline):
    """Pictures in, a mask for each class out, the largest first.

    Each has a `score`, the mean probability of its pixels, which transformers' own leaves out, and a `share` of the
    picture. Gray pictures of more than 8 bits are scaled to 8 before the library makes them RGB.
    """

    def check_model_type(self, supported_models: Any) -> None:
        """Take the model: the library's list holds its own classes alone."""

    def preprocess(self, image: Any, subtask: Any = None, timeout: float | None = None) -> Any:  # type: ignore[override]
        """A Pillow image, a path, an address or base64 text to what the model takes."""
        return super().preprocess(fetch_image(image, timeout=timeout), subtask, timeout)

    def postprocess(self, model_outputs: Any, **parameters: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """The classes of one picture, with Pillow images of mode L as masks."""
        (logits,) = resized_logits(model_outputs["logits"], model_outputs["target_size"])
        names: Any = self.model.config.id2label
        return [
            {**one, "mask": PIL.Image.fromarray(one["mask"])}
            for one in named_classes(logits, [names[number] for number in range(len(names))])
        ]
