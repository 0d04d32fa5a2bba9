"""The task of instance segmentation: every object of a picture by its pixels."""

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
from tsugiki.answers import Answers
from tsugiki.columns import Role
from tsugiki.eval_mode import eval_mode
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.images import Normalize, decode_image_column
from tsugiki.metrics import Metric
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions
from tsugiki.tensor_table import TensorTable

from ..annotations.label_images import boxes_of_numbers, png_of_numbers
from ..detectors.found_objects import best_threshold, match_all
from .instance_grouping import CENTER_WINDOW, Instances, find_instances
from .instance_labels import decode_objects, object_names
from .instance_scores import FOUND, FoundCounts, classes_of, instance_metrics, kept_row, objects_of
from .mask_task import MaskTask, mask_roles

if TYPE_CHECKING:
    from datasets import Dataset


class InstanceSegmentation(MaskTask):
    """Find every object of a picture by its pixels; scored by the average precision of masks.

    Columns have the roles `image` and `mask`, a picture of the same size whose numbers are those of objects. Where a
    column has the role `objects`, by default one of that name which lists objects with their categories, the k-th has
    the number k; without it all objects are of one class. See `tsugiki_detection.segmentation.instance_labels`. Figures
    are those of pixels, and sizes of objects are counted, at the size that the processor gives pictures.

    A model gives for each pixel `logits`, `center_logits` and `offsets`, as `InstanceUNetForInstanceSegmentation` does.
    """

    name: ClassVar[str] = "instance-segmentation"
    roles: ClassVar[Mapping[str, Role]] = mask_roles(
        "instances", "instance_mask", "mask", "label", "annotation", "segmentation", "segmentation_mask"
    )
    main_metric: ClassVar[str] = "mask_map_50"
    pipeline_class = "tsugiki_detection.segmentation.instance_pipeline:InstanceSegmentationPipeline"

    def __init__(self) -> None:
        self._names: list[str] = []
        self._window = CENTER_WINDOW  # of the processor that rows were made by

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the classes of objects, those that none has among them; `object` where nothing names them.

        Raises:
            DataError: There are none, or more than 254.
        """
        return object_names(self.masks(dataset, columns))

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture and mask once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` int32 (N, H, W), see
            `tsugiki_detection.segmentation.instance_labels`.

        Raises:
            DataError: A picture or mask does not decode, their sizes differ, a mask numbers an object that is not
                there, or a class is unknown to the model.
        """
        self._names, self._window = list(label_names), getattr(processor, "center_window", CENTER_WINDOW)
        pictures = decode_image_column(dataset, columns["image"], processor)
        labels = decode_objects(self.masks(dataset, columns), label_names, columns["image"], processor)
        return TensorTable({"pixel_values": pictures, "labels": labels}, transform=Normalize.from_processor(processor))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """The objects of each picture, whatever they score; see `kept_row`."""
        threshold = float(getattr(model.config, "score_threshold", FOUND))
        maps = model(**batch)
        rows = zip(maps.logits, maps.center_logits, maps.offsets, strict=True)
        return [kept_row(find_instances(*row, window=self._window), threshold) for row in rows]

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The F1 of each picture (N,) at the model's threshold; 1 where nothing is there and nothing found."""
        return FoundCounts.of(predictions, classes_of(predictions, self._names)).picture_f1()

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`mask_map_50`, `f1_50`, `pq`, `mask_map` and more; see `instance_metrics`. Intervals by drawing pictures."""
        return instance_metrics(predictions, self._names, seed=seed)

    def settings(self, model: Any, table: TensorTable) -> dict[str, Any]:
        """`score_threshold`: the least score with the best F1 over all classes, at an overlap of one half."""
        predictions = predict_table(model, table, task=self)
        matches = match_all(*objects_of(predictions, classes_of(predictions, self._names)), FOUND)
        return {"score_threshold": round(best_threshold(matches)[0], 4)}

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw some pictures with the outlines of what is there and what was found, and precision by recall."""
        from ..detectors.detection_figures import draw_precision_recall
        from .instance_pictures import draw_instances

        there, found = objects_of(predictions, classes_of(predictions, label_names))
        scores = self.row_scores(predictions)
        return [
            draw_instances(table.columns["pixel_values"], predictions, scores, folder),
            draw_precision_recall(there, found, list(label_names), folder),
        ]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Find the objects of pictures.

        Args:
            inputs: Pillow images.

        Returns:
            For each picture what scores at least the config's `score_threshold`, best first, as `{"label", "score",
            "box": {"xmin", "ymin", "xmax", "ymax"}, "mask"}`: the box in pixels, and the mask as a PNG of 0 and 255 at
            the picture's size; nothing is an answer too.
        """
        batch = processor(images=list(inputs), return_tensors="pt")
        with eval_mode(model), torch.inference_mode():
            maps = model(pixel_values=batch["pixel_values"].to(model.device, model.dtype))
        threshold = float(getattr(model.config, "score_threshold", FOUND))
        window = getattr(processor, "center_window", CENTER_WINDOW)
        rows = zip(maps.logits, maps.center_logits, maps.offsets, inputs, strict=True)
        return [
            answers_of(
                find_instances(*row, window=window).at_least(threshold).resized(picture.height, picture.width),
                model.config.id2label,
            )[:top_k]
            for *row, picture in rows
        ]

    def show(self, answers: Answers, content: Any) -> bytes:
        """The picture with the outline of each object in a colour of its own, as a PNG."""
        from .instance_pictures import outlined

        buffer = io.BytesIO()
        outlined(content, [_mask_of(one["mask"]) for one in answers]).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def answers_of(found: Instances, names: Mapping[int, str]) -> Answers:
    """Objects of one picture as answers."""
    answers = []
    rows = zip(boxes_of_numbers(found.numbers), found.scores.tolist(), found.classes.tolist(), strict=True)
    for number, ((box, _), score, label) in enumerate(rows, 1):
        left, top, width, height = box
        corners = {"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + height}
        mask = png_of_numbers((found.numbers == number).astype(np.uint8) * 255)
        answers.append({"label": names[label], "score": score, "box": corners, "mask": mask})
    return answers


def _mask_of(content: bytes) -> NDArray[np.bool_]:
    return np.array(PIL.Image.open(io.BytesIO(content))) > 0
