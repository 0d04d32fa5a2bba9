"""The pipeline of taggers: transformers' own, with words as they stand in the text."""

from __future__ import annotations

from typing import Any

from transformers import TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy
from tsugiki.errors import DataError

from .token_classification import end_of_letter

NONE = AggregationStrategy.NONE


class TaggingPipeline(TokenClassificationPipeline):
    """Texts in, tagged words out; ``aggregation_strategy="simple"`` joins the words of a name.

    transformers puts a ``word`` together from tokens, and where a rare word's token is its shape, shows the shape.

    Example:
        >>> import tsugiki
        >>> tsugiki.pipeline("ner-bilstm", aggregation_strategy="simple")("said Elinor.")
        [{'entity_group': 'PER', 'score': 0.99, 'word': 'Elinor', 'start': 5, 'end': 11}]
    """

    def preprocess(self, sentence: Any, *args: Any, **parameters: Any) -> Any:  # type: ignore[override]
        """A text, or its words, to tokens, in pieces where it is long.

        Raises:
            DataError: There is no word in it.
        """
        words = [sentence] if isinstance(sentence, str) else sentence
        if not isinstance(words, list) or not any(isinstance(word, str) and word.strip() for word in words):
            raise DataError(f"a text with at least one word is needed, not {sentence!r}")
        yield from super().preprocess(sentence, *args, **parameters)

    def postprocess(  # type: ignore[override]  # transformers' own class has other arguments than its base
        self, all_outputs: Any, aggregation_strategy: Any = NONE, ignore_labels: Any = None
    ) -> Any:
        """The entities of a text, each ``word`` read off the text."""
        text = all_outputs[0]["sentence"]
        entities = super().postprocess(all_outputs, aggregation_strategy, ignore_labels)
        for entity in entities:
            if entity.get("start") is not None:
                entity["end"] = end_of_letter(text, entity["end"])
                entity["word"] = text[entity["start"] : entity["end"]]
        return entities
