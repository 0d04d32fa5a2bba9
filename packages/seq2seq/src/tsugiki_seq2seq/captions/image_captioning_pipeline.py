"""The pipeline of image captioners: ``pipeline("image-captioning", …)("dog.jpg")``."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig, Pipeline
from transformers.image_utils import load_image

from .image_captioning import length_limit


class ImageCaptioningPipeline(Pipeline):
    """Pictures in, captions out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    A picture is a Pillow image, a path or an address.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("caption-flickr8k-mini")("dog.jpg")
        [{'generated_text': 'a dog runs through the grass'}]
    """

    _load_processor: Any = True
    _load_image_processor: Any = False
    _load_feature_extractor: Any = False
    _load_tokenizer: Any = False
    _pipeline_calls_generate = True
    _default_generation_config: Any = GenerationConfig()

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {"generate": options} if options else {}, {}

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """A picture to ``pixel_values`` (1, C, H, W)."""
        processor: Any = self.processor
        return dict(processor(images=load_image(input_), return_tensors="pt"))

    def _forward(self, input_tensors: dict[str, Any], **parameters: Any) -> Any:
        model: Any = self.model
        options = {**length_limit(model), "do_sample": False, **parameters.get("generate", {})}
        out = model.generate(**input_tensors, **options)
        return {"output_ids": out.unflatten(0, (len(input_tensors["pixel_values"]), -1))}  # (B, returned, T)

    def postprocess(self, model_outputs: dict[str, Any], **parameters: Any) -> list[dict[str, str]]:
        """Tokens to texts."""
        processor: Any = self.processor
        texts = processor.tokenizer.batch_decode(model_outputs["output_ids"][0], skip_special_tokens=True)
        return [{"generated_text": text} for text in texts]
