"""The pipeline of models of dialogues: ``pipeline("dialogue", …)("Hi! || Hello. What can I do for you?")``."""

from __future__ import annotations

from typing import Any

from ..texts.generating_pipeline import GeneratingPipeline
from .dialogue_tables import encode_dialogues, split_dialogue


class DialoguePipeline(GeneratingPipeline):
    """Dialogues in, the next utterances out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    A dialogue is a text with ``||`` between its utterances. In a list of dialogues each may be a list of utterances; a
    list of texts is a list of dialogues.

    Example:
        >>> import tsugiki
        >>> talk = tsugiki.pipeline("dialogue-hred")
        >>> talk("I want to book a table. || In which city?")
        >>> talk([["I want to book a table.", "In which city?"]], num_beams=5)
    """

    def preprocess(self, input_: Any, **parameters: Any) -> dict[str, Any]:
        """A dialogue to its utterances; tokens are made of whole batches, whose dialogues are padded to one shape.

        Raises:
            DataError: It is none, or an utterance is empty.
        """
        return {"dialogue": tuple(split_dialogue(input_))}

    def collated(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The tokens of a batch of dialogues, padded to one shape."""
        given = inputs["dialogue"]
        dialogues = given if isinstance(given, list) else [given]  # one alone is not collated
        encoded = encode_dialogues(dialogues, self.tokenizer)
        return {name: column.to(self.model.device) for name, column in encoded.items()}
