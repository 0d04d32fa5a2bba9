"""What the pipelines of models that write texts share: options of ``generate()`` at the call, tokens back to texts."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import GenerationConfig, Pipeline

from .generating import MAX_NEW_TOKENS, length_limit


class GeneratingPipeline(Pipeline):
    """Something in, texts out. A subclass prepares the inputs.

    Attributes:
        answers_called: Key of a text in the records that come out.
        most: Tokens of a text, where the model's generation config says nothing.
    """

    answers_called: ClassVar[str] = "generated_text"
    most: ClassVar[int] = MAX_NEW_TOKENS

    _load_processor: Any = False
    _load_image_processor: Any = False
    _load_feature_extractor: Any = False
    _load_tokenizer: Any = True
    _pipeline_calls_generate = True
    _default_generation_config: Any = GenerationConfig()

    def text_tokenizer(self) -> Any:
        """The tokenizer of what is written."""
        return self.tokenizer

    def collated(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The model's inputs of a batch of what `preprocess` gave; as they are, unless a subclass says otherwise."""
        return inputs

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {"generate": options} if options else {}, {}

    def _forward(self, input_tensors: dict[str, Any], **parameters: Any) -> dict[str, Any]:  # type: ignore[override]
        model: Any = self.model
        inputs = self.collated(input_tensors)
        options = {**length_limit(model, self.most), "do_sample": False, **parameters.get("generate", {})}
        rows = len(next(iter(inputs.values())))
        return {"output_ids": model.generate(**inputs, **options).unflatten(0, (rows, -1))}  # (B, returned, T)

    def postprocess(self, model_outputs: dict[str, Any], **parameters: Any) -> list[dict[str, str]]:
        """Tokens to texts."""
        texts = self.text_tokenizer().batch_decode(model_outputs["output_ids"][0], skip_special_tokens=True)
        return [{self.answers_called: text} for text in texts]
