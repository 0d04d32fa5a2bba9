"""The pipeline of text classification: transformers' own, but no class for a text in which nothing can be read."""

from __future__ import annotations

from typing import Any

from transformers import TextClassificationPipeline

from ..errors import DataError
from .text_classification import NO_WORD


class WordsClassificationPipeline(TextClassificationPipeline):
    """Texts in, classes out. A text without a word is refused, as `tsugiki predict` does."""

    def preprocess(self, inputs: Any, **tokenizer_kwargs: Any) -> Any:  # type: ignore[override]
        """A text to tokens.

        Raises:
            DataError: The tokenizer reads nothing in it, such as in one without letters.
        """
        encoded: Any = super().preprocess(inputs, **tokenizer_kwargs)
        if not encoded["input_ids"].numel():
            raise DataError(NO_WORD)
        return encoded
