"""The pipeline of image classification: transformers' own, with pictures opened as everywhere else here."""

from __future__ import annotations

from typing import Any

from transformers import ImageClassificationPipeline

from ..images import fetch_image


class PictureClassificationPipeline(ImageClassificationPipeline):
    """Pictures in, classes out. Gray pictures of more than 8 bits are scaled to 8 before the library makes them RGB."""

    def preprocess(self, image: Any, timeout: float | None = None) -> Any:  # type: ignore[override]
        """A Pillow image, a path, an address, base64 text or an array to what the model takes."""
        return super().preprocess(fetch_image(image, timeout=timeout), timeout)
