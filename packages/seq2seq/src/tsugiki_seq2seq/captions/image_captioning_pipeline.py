"""The pipeline of image captioners: ``pipeline("image-captioning", …)("dog.jpg")``."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers.image_utils import load_image
from tsugiki.images import fetch_image

from ..texts.generating_pipeline import GeneratingPipeline
from .image_captioning import MAX_NEW_TOKENS


class ImageCaptioningPipeline(GeneratingPipeline):
    """Pictures in, captions out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    A picture is a Pillow image, a path or an address.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("caption-flickr8k-mini")("dog.jpg")
        [{'generated_text': 'a dog runs through the grass'}]
    """

    most: ClassVar[int] = MAX_NEW_TOKENS
    _load_processor: Any = True
    _load_tokenizer: Any = False

    def text_tokenizer(self) -> Any:
        """The tokenizer of the captions."""
        processor: Any = self.processor
        return processor.tokenizer

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """A picture to ``pixel_values`` (1, C, H, W)."""
        processor: Any = self.processor
        return dict(processor(images=load_image(fetch_image(input_)), return_tensors="pt"))
