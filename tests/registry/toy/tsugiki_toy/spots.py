"""A task of the toy's own, whose labels differ in length by row: the places of bright spots in a picture."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SemanticSegmenterOutput
from tsugiki.answers import Answers
from tsugiki.columns import PICTURE_COLUMN, ColumnKind, Role, item_of, read_column
from tsugiki.forward_options import forward_options
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.metrics import Metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask
from tsugiki.tensor_table import TensorTable

PLACES = ColumnKind(
    "places",
    "lists of pairs of numbers",
    "lists of [row, column]",
    lambda feature: item_of(item_of(feature)) is not None,
)


@strict
class SpotsConfig(PreTrainedConfig):
    model_type = "tsugiki_spots"

    image_size: int = 6
    hidden_size: int = 16


class SpotsModel(PreTrainedModel):
    """From a picture to a logit for every place."""

    config_class = SpotsConfig
    main_input_name = "pixel_values"

    def __init__(self, config: SpotsConfig) -> None:
        super().__init__(config)
        places = config.image_size**2
        self.hidden = nn.Linear(places, config.hidden_size)
        self.places = nn.Linear(config.hidden_size, places)
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, labels: list[Tensor] | None = None) -> SemanticSegmenterOutput:
        """Labels are lists of B tensors (n, 2), rows and columns of the spots."""
        logits = self.places(self.hidden(pixel_values.flatten(1)).tanh()).view_as(pixel_values[:, 0])  # (B, S, S)
        loss = None
        if labels is not None:
            wanted = torch.zeros_like(logits)
            for row, places in zip(wanted, labels, strict=True):
                row[places[:, 0], places[:, 1]] = 1
            loss = F.binary_cross_entropy_with_logits(logits, wanted)
        return SemanticSegmenterOutput(loss=loss, logits=logits)


class SpotFinding(CountedTask):
    """Find all spots of a picture; a row is right where no place is missing and none is too many."""

    name: ClassVar[str] = "spot-finding"
    inputs: ClassVar[InputKind] = PICTURES
    main_metric: ClassVar[str] = "accuracy"
    validates_by_loss: ClassVar[bool] = True
    shown_as: ClassVar[str] = ".png"
    roles: ClassVar[Mapping[str, Role]] = {"image": Role(PICTURE_COLUMN), "spots": Role(PLACES)}

    def read_rows(self, dataset: Any, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        places = [torch.tensor(row, dtype=torch.long).view(-1, 2) for row in read_column(dataset, columns["spots"])]
        pixels = decode_image_column(dataset, columns["image"], processor)
        return TensorTable({"pixel_values": pixels, "labels": places}, transform=Normalize.from_processor(processor))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> list[Tensor]:
        return [(row > 0).nonzero() for row in model(**batch).logits]

    def correct(self, predictions: Predictions) -> np.ndarray:
        pairs = zip(predictions.outputs, predictions.labels, strict=True)
        return np.array([{*map(tuple, found.tolist())} == {*map(tuple, right.tolist())} for found, right in pairs])

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        return {"accuracy": share_metric(self.correct(predictions), seed=seed)}

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        pixels = processor(images=list(inputs), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            scores = model(pixel_values=pixels).logits.sigmoid()
        answers = []
        for row in scores:
            best, places = row.flatten().topk(top_k)
            named = zip((divmod(place, row.shape[1]) for place in places.tolist()), best.tolist(), strict=True)
            answers.append([{"label": str(place), "score": score, "place": place} for place, score in named])
        return answers

    def show(self, answers: Answers, content: Any) -> bytes:
        marked = content.convert("RGB")
        for answer in answers:
            row, column = answer["place"]
            marked.putpixel((column, row), (255, 0, 0))
        file = io.BytesIO()
        marked.save(file, "PNG")
        return file.getvalue()
