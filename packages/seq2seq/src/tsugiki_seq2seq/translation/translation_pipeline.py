"""The pipeline of translators: ``pipeline("text-translation", …)("ein Satz")``."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ..texts.generating_pipeline import GeneratingPipeline
from .translation import encode_source


class TextTranslationPipeline(GeneratingPipeline):
    """Texts in, texts out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("translate-ja-en-gru-attention")("彼 は 走 っ た 。")
        [{'translation_text': 'he ran .'}]
    """

    answers_called: ClassVar[str] = "translation_text"

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """A text to tokens (1, S).

        Raises:
            DataError: It is no text, an empty one, or longer than the model reads.
        """
        ids = encode_source(self.model, self.tokenizer, input_)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
