"""The pipeline of translators: ``pipeline("text-translation", …)("ein Satz")``."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GenerationConfig, Pipeline

from .translation import encode_source, length_limit


class TextTranslationPipeline(Pipeline):
    """Texts in, texts out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("translate-ja-en-gru-attention")("彼 は 走 っ た 。")
        [{'translation_text': 'he ran .'}]
    """

    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = False  # type: ignore[assignment]
    _load_feature_extractor = False  # type: ignore[assignment]
    _load_tokenizer = True  # type: ignore[assignment]
    _pipeline_calls_generate = True
    _default_generation_config = GenerationConfig()

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {"generate": options} if options else {}, {}

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """A text to tokens (1, S).

        Raises:
            DataError: It is no text, an empty one, or longer than the model reads.
        """
        ids = encode_source(self.model, self.tokenizer, input_)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _forward(self, input_tensors: dict[str, Any], **parameters: Any) -> dict[str, Any]:  # type: ignore[override]
        model: Any = self.model
        options = {**length_limit(model), "do_sample": False, **parameters.get("generate", {})}
        out = model.generate(**input_tensors, **options)
        rows = input_tensors["input_ids"].shape[0]
        return {"output_ids": out.unflatten(0, (rows, -1))}  # (B, returned, T)

    def postprocess(self, model_outputs: dict[str, Any], **parameters: Any) -> list[dict[str, str]]:
        """Tokens to texts."""
        assert self.tokenizer is not None
        texts = self.tokenizer.batch_decode(model_outputs["output_ids"][0], skip_special_tokens=True)
        return [{"translation_text": text} for text in texts]
