"""The pipeline of models of dialogues: ``pipeline("dialogue", …)("Hi! || Hello. What can I do for you?")``."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig, Pipeline

from ..translation.translation import length_limit
from .dialogue_tables import encode_dialogues, split_dialogue


class DialoguePipeline(Pipeline):
    """Dialogues in, the next utterances out; options of ``generate()``, such as ``num_beams=5``, go with the call.

    A dialogue is a text with ``||`` between its utterances. In a list of dialogues each may be a list of utterances; a
    list of texts is a list of dialogues.

    Example:
        >>> import tsugiki
        >>> talk = tsugiki.pipeline("dialogue-hred")
        >>> talk("I want to book a table. || In which city?")
        >>> talk([["I want to book a table.", "In which city?"]], num_beams=5)
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
        """A dialogue to its utterances; tokens are made of whole batches, whose dialogues are padded to one shape.

        Raises:
            DataError: It is none, or an utterance is empty.
        """
        return {"dialogue": tuple(split_dialogue(input_))}

    def _forward(self, input_tensors: dict[str, Any], **parameters: Any) -> dict[str, Any]:  # type: ignore[override]
        model: Any = self.model
        options = {**length_limit(model), "do_sample": False, **parameters.get("generate", {})}
        given = input_tensors["dialogue"]
        dialogues = given if isinstance(given, list) else [given]  # one alone is not collated
        batch = {name: column.to(model.device) for name, column in encode_dialogues(dialogues, self.tokenizer).items()}
        return {"output_ids": model.generate(**batch, **options).unflatten(0, (len(dialogues), -1))}  # (B, returned, T)

    def postprocess(self, model_outputs: dict[str, Any], **parameters: Any) -> list[dict[str, str]]:
        """Tokens to texts."""
        assert self.tokenizer is not None
        texts = self.tokenizer.batch_decode(model_outputs["output_ids"][0], skip_special_tokens=True)
        return [{"generated_text": text} for text in texts]
