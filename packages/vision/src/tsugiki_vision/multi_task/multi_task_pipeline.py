"""transformers' pipeline for networks that answer several questions about a picture."""

from __future__ import annotations

from typing import Any

from transformers import Pipeline
from transformers.image_utils import load_image
from tsugiki.images import fetch_image


class MultiTaskImageClassificationPipeline(Pipeline):
    """From a picture, its file name or address to the likeliest classes of every task."""

    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = True  # type: ignore[assignment]
    _load_feature_extractor = False  # type: ignore[assignment]
    _load_tokenizer = False  # type: ignore[assignment]

    def _sanitize_parameters(
        self, top_k: int | None = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {}, {} if top_k is None else {"top_k": top_k}

    def preprocess(self, input_: Any, **kwargs: Any) -> dict[str, Any]:
        """The network's inputs of one picture."""
        inputs = self.image_processor(images=load_image(fetch_image(input_)), return_tensors="pt")  # type: ignore[misc]
        return {"pixel_values": inputs["pixel_values"].to(self.dtype)}

    def _forward(self, input_tensors: dict[str, Any], **kwargs: Any) -> Any:
        return self.model(**input_tensors)

    def postprocess(  # type: ignore[override]
        self, model_outputs: Any, top_k: int = 1, **kwargs: Any
    ) -> dict[str, list[dict[str, Any]]]:
        """For every task its `top_k` likeliest classes, best first, as `{"label": class, "score": probability}`."""
        config: Any = self.model.config
        answers: dict[str, list[dict[str, Any]]] = {}
        logits = model_outputs["logits"][0].float()
        for (task, classes), part in zip(config.tasks.items(), logits.split(config.task_sizes), strict=True):
            scores, numbers = part.softmax(0).topk(min(top_k, len(classes)))
            answers[task] = [
                {"label": classes[number], "score": score}
                for score, number in zip(scores.tolist(), numbers.tolist(), strict=True)
            ]
        return answers
