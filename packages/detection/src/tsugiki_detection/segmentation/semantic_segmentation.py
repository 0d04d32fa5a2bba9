"""The task of semantic segmentation: the class of each pixel of a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tsugiki.answers import Answers
from tsugiki.columns import Role
from tsugiki.eval_mode import eval_mode
from tsugiki.images import Normalize, decode_image_column
from tsugiki.metrics import Metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture
from tsugiki.tensor_table import TensorTable

from .mask_task import MaskTask, mask_roles
from .masks import decode_masks
from .segmentation_loss import MOST_CLASSES
from .semantic_image_processor import resized_logits
from .semantic_scores import PixelCounts

if TYPE_CHECKING:
    from datasets import Dataset


class SemanticSegmentation(MaskTask):
    """Name the class of each pixel; scored by the mean intersection over union.

    Columns have the roles `image` and `mask`, a picture of the same size whose numbers are classes. Where a column has
    the role `objects`, by default one of that name which lists objects with their categories, the numbers are those of
    objects, and pixels have the class of theirs; see `tsugiki_detection.segmentation.masks`. Figures are those of
    pixels at the size that the processor gives pictures; a resized mask takes the nearest pixel.

    It is called as transformers' models of its kind are (`AutoModelForSemanticSegmentation`), so that these are
    fine-tuned by the same name; its pipeline is transformers' `image-segmentation`, as the Hub calls the task.

    The names of the classes in the metrics are those that this object saw last, in `table` or in a model that it
    evaluated.
    """

    name: ClassVar[str] = "semantic-segmentation"
    roles: ClassVar[Mapping[str, Role]] = mask_roles(
        "mask", "label", "annotation", "segmentation", "segmentation_mask", "semantic_mask"
    )
    main_metric: ClassVar[str] = "miou"
    pipeline_class = "tsugiki_detection.segmentation.semantic_pipeline:SemanticSegmentationPipeline"

    def __init__(self) -> None:
        self._names: list[str] = []

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the classes: `background` and those of the objects, or the numbers of the masks.

        Masks of two numbers, 0 and 1 or 255, have the classes `background` and `object`.

        Raises:
            DataError: A mask cannot be read, or there are fewer than two classes, or more than 255.
        """
        return self.masks(dataset, columns).names()

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture and mask once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` uint8 (N, H, W), 255 where a
            pixel has no class.

        Raises:
            DataError: A picture or mask does not decode, their sizes differ, or a class is unknown to the model.
        """
        self._names = list(label_names)
        pictures = decode_image_column(dataset, columns["image"], processor)
        labels = decode_masks(self.masks(dataset, columns), label_names, columns["image"], processor)
        return TensorTable({"pixel_values": pictures, "labels": labels}, transform=Normalize.from_processor(processor))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> list[Any]:
        """The class of each pixel, uint8 (H, W) a picture: a 400th of the memory of float logits of 100 classes."""
        self._names = _names_of(model)
        size = batch["pixel_values"].shape[2:]
        logits = model(**batch).logits
        if logits.shape[2:] != size:  # some networks answer at a quarter of the picture's size
            logits = F.interpolate(logits.float(), tuple(size), mode="bilinear")
        answers = logits.argmax(dim=1)  # (B, H, W)
        return list(answers.to(torch.uint8 if logits.shape[1] <= MOST_CLASSES + 1 else torch.int64))

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The mean intersection over union of each picture, over the classes that it has or is said to have (N,)."""
        return _counts(predictions).picture_scores()

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`miou`, `dice`, `pixel_accuracy` and `iou_<class>` over the pixels of all pictures together.

        Pixels without a class are left out, and so are classes that neither occur nor are named. Intervals are made by
        drawing pictures. Classes whose names this object has not seen go by their numbers.
        """
        counts = _counts(predictions)
        numbered = [str(number) for number in range(counts.right.shape[1])]
        return counts.metrics(self._names if len(self._names) >= len(numbered) else numbered, seed=seed)

    def guess(self, predictions: Predictions) -> float:
        """The `miou` of whoever names every pixel by the commonest class."""
        return _counts(predictions).commonest()

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw some pictures, from the worst answer to the best, with the outlines of the mask and of the answer."""
        from .semantic_pictures import draw_answers

        scores = self.row_scores(predictions)
        return [draw_answers(table.columns["pixel_values"], predictions, scores, label_names, folder)]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Name the classes of pictures.

        Args:
            inputs: Pillow images.

        Returns:
            For each picture its classes, the largest first, as `{"label", "score", "share", "mask"}`: the mean
            probability of the pixels that are named so, their share of the picture, and the mask as a PNG of 0 and 255
            at the picture's size.
        """
        sizes = [(picture.height, picture.width) for picture in inputs]
        pixel_values = processor(images=list(inputs), return_tensors="pt")["pixel_values"]
        with eval_mode(model), torch.inference_mode():
            logits = model(pixel_values=pixel_values.to(model.device, model.dtype)).logits
        names = _names_of(model)
        return [
            [
                {**one, "mask": _png(PIL.Image.fromarray(one["mask"]))}
                for one in named_classes(of_picture, names)[:top_k]
            ]
            for of_picture in resized_logits(logits, sizes)
        ]

    def show(self, answers: Answers, content: Any) -> bytes:
        """The picture with each class but the background in a colour of its own, as a PNG."""
        from .semantic_pictures import coloured

        return _png(coloured(content, answers))


def named_classes(logits: Tensor, names: Sequence[str]) -> list[dict[str, Any]]:
    """The classes of a picture's pixels, the largest first.

    Args:
        logits: (C, H, W).
        names: Of the classes.

    Returns:
        `label`, `score` (the mean probability of its pixels), `share` of the picture, and `mask` uint8 (H, W), 255
        where a pixel has the class, else 0.
    """
    scores, numbers = logits.float().softmax(0).max(dim=0)  # (H, W) each
    found = []
    for number in numbers.unique().tolist():
        mask = numbers == number
        found.append(
            {
                "label": names[number],
                "score": float(scores[mask].mean()),
                "share": float(mask.float().mean()),
                "mask": (mask * 255).byte().cpu().numpy(),
            }
        )
    return sorted(found, key=lambda one: -one["share"])


def _names_of(model: Any) -> list[str]:
    names: Mapping[int, str] = model.config.id2label or {}
    return [names[number] for number in sorted(names)]


def _counts(predictions: Predictions) -> PixelCounts:
    return PixelCounts.of(predictions.outputs, predictions.labels)


def _png(picture: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
