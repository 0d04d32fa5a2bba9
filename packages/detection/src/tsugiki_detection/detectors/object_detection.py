"""Object detection as a task: pictures and boxes, COCO's average precision, pictures with what was found."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tsugiki.adaptation import Adaptation
from tsugiki.answers import Answers
from tsugiki.columns import PICTURE_COLUMN, Role
from tsugiki.eval_mode import eval_mode
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES
from tsugiki.labelled_task import LabelledTask
from tsugiki.metrics import Metric
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions
from tsugiki.task import ALL_ANSWERS
from tsugiki.tensor_table import TensorTable

from ..boxes.box_formats import convert_boxes
from .average_precision import average_precision
from .box_labels import AREA, BOX, CLASS, CROWD, FRAME_AREA, WIDTH, padded
from .fitted_anchors import anchors_of
from .letterbox_processor import MOST_DETECTIONS, LetterboxImageProcessor
from .objects_column import OBJECTS_COLUMN, ObjectRow, class_names, read_objects
from .predicted_objects import objects_of
from .transformers_detectors import ListedLabels, in_one_frame, is_transformers_detector

if TYPE_CHECKING:
    from datasets import Dataset

LEAST_SCORE = 0.01  # of what figures count: below it, precision no longer hangs on it
FOUND = 0.5  # overlap from which an object counts as found


class ObjectDetection(LabelledTask):
    """Where things are in a picture, and what they are."""

    name = "object-detection"
    main_metric = "map_50"
    inputs = PICTURES
    roles = {"image": Role(PICTURE_COLUMN, ("image",)), "objects": Role(OBJECTS_COLUMN, ("objects",))}  # noqa: RUF012
    refined_pipeline_class = "tsugiki_detection.detectors.detection_pipeline:BoxDetectionPipeline"
    shown_as = ".png"
    default_top_k = ALL_ANSWERS

    def __init__(self) -> None:
        self._processor: Any = None  # the one that rows were made by reads the answers
        self._names: list[str] = []
        self._new_anchors: dict[str, Any] = {}  # of the rows that a base is to learn from

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """The classes of the boxes, those that no box has among them."""
        return class_names(dataset, columns["objects"])

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture and its boxes once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` float32 (N, M, 8), see
            `tsugiki_detection.detectors.box_labels`.

        Raises:
            DataError: A picture does not decode, a class is unknown to the model, or a box is none in its picture.
        """
        processor = in_one_frame(processor)
        self._processor, self._names = processor, list(label_names)
        pixels = decode_image_column(dataset, columns["image"], processor)
        rows = read_objects(dataset, columns["image"], columns["objects"], label_names)
        labels = [framed(row, processor) for row in rows]
        return TensorTable(
            {"pixel_values": pixels, "labels": padded(labels, [frame_area(row, processor) for row in rows])},
            transform=Normalize.from_processor(processor),
        )

    def adapted(self, base: Any, processor: Any, dataset: Dataset, columns: Mapping[str, str]) -> Adaptation:
        """As `Task.adapted`; pictures of a batch come to have one size, and a new head has anchors of its own."""
        processor = in_one_frame(processor)
        self._new_anchors = {}
        if hasattr(base.config, "level_anchors"):
            names = self.label_names(dataset, columns)
            rows = read_objects(dataset, columns["image"], columns["objects"], names)
            labels = torch.cat([framed(row, processor) for row in rows])
            each = base.config.anchors_per_level
            self._new_anchors = {"anchors": anchors_of(labels, base.config.levels, each, seed=0)}
        return super().adapted(base, processor, dataset, columns)

    def relabelled(self, found: Adaptation, base: Any, wanted: Sequence[str]) -> Adaptation:
        """As `LabelledTask.relabelled`; a head that is new in any case takes its anchors from the new boxes."""
        adaptation = super().relabelled(found, base, wanted)
        if not adaptation.head_fields:
            return adaptation
        return replace(adaptation, head_fields={**adaptation.head_fields, **self._new_anchors})

    def learning_rows(self, model: Any, table: TensorTable) -> TensorTable:
        """As `Task.learning_rows`, with labels as transformers' own detectors take them."""
        if not is_transformers_detector(model):
            return table
        return table.with_transform(ListedLabels(table.transform))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The best boxes of each picture (B, 100, 6): score, class, and corners in fractions of the frame; where there
        are fewer, scores of -1."""
        processor = self._processor if self._processor is not None else LetterboxImageProcessor()
        found = processor.post_process_object_detection(model(**batch), LEAST_SCORE)
        rows = [torch.cat([one["scores"][:, None], one["labels"][:, None], one["boxes"]], 1).float() for one in found]
        return torch.stack([F.pad(row, (0, 0, 0, MOST_DETECTIONS - len(row)), value=-1.0) for row in rows])

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The F1 of each picture (N,) at the score that is best for all; 1 where nothing is there and nothing found."""
        from .found_objects import best_threshold, match_all, picture_f1

        there, found = objects_of(predictions)
        matches = match_all(there, found, FOUND)
        return picture_f1(matches, best_threshold(matches)[0])

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`map_50`, `map` and `map_75`, by the size of objects where there are such, and of each class."""
        there, found = objects_of(predictions)
        classes = max(
            [1, len(self._names), *(int(one.classes.max()) + 1 for one in (*there, *found) if len(one.classes))]
        )
        figures = average_precision(there, found, classes, seed=seed)
        by_class = figures.pop("classes")
        names = self._names if len(self._names) == classes else [str(number) for number in range(classes)]
        metrics: dict[str, Metric] = {"map_50": figures.pop("map_50"), **figures}
        if classes > 1:
            for label, name in enumerate(names):
                value = by_class["map_50"][label]
                if not np.isnan(value):
                    count = sum(int((one.classes == label).sum()) for one in there)
                    metrics[f"map_50_{name.replace(' ', '_')}"] = Metric(value, value, value, count, "score")
        return metrics

    def settings(self, model: Any, table: TensorTable) -> dict[str, Any]:
        """`score_threshold`: the least score with the best F1 over all classes, at an overlap of one half."""
        from .found_objects import best_threshold, match_all

        threshold, _ = best_threshold(match_all(*objects_of(predict_table(model, table, task=self)), FOUND))
        return {"score_threshold": round(threshold, 4)}

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw some pictures with what is there and what was found, precision by recall, and what is taken for what."""
        from .detection_figures import draw_confusion, draw_examples, draw_precision_recall

        there, found = objects_of(predictions)
        return [
            draw_examples(table.columns["pixel_values"], predictions, list(label_names), folder),
            draw_precision_recall(there, found, list(label_names), folder),
            draw_confusion(there, found, list(label_names), folder),
        ]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Find things in pictures.

        Returns:
            For each picture what scores at least the config's `score_threshold`, best first, as ``{"label", "score",
            "box": {"xmin", "ymin", "xmax", "ymax"}}`` in pixels; nothing is an answer too.
        """
        batch = processor(images=list(inputs), return_tensors="pt")
        sizes = [(picture.height, picture.width) for picture in inputs]
        pixels = batch["pixel_values"].to(model.device, model.dtype)
        mask = {"pixel_mask": batch["pixel_mask"].to(model.device)} if "pixel_mask" in batch else {}
        with eval_mode(model), torch.inference_mode():
            output = model(pixel_values=pixels, **mask)
        threshold = float(getattr(model.config, "score_threshold", FOUND))
        found = processor.post_process_object_detection(output, threshold, sizes)
        return [answers_of(one, model.config.id2label)[:top_k] for one in found]

    def show(self, answers: Answers, content: Any) -> bytes:
        """The picture with its boxes, as PNG."""
        from .box_drawing import draw_boxes

        stream = io.BytesIO()
        draw_boxes(content, answers).save(stream, "PNG")
        return stream.getvalue()


def framed(row: ObjectRow, processor: Any) -> Tensor:
    """The objects of a picture as rows of labels (M, 8)."""
    labels = torch.zeros(len(row.classes), WIDTH)
    corners = convert_boxes(torch.from_numpy(row.boxes), "xywh", "xyxy")
    to_frame = getattr(processor, "to_frame", None)
    if to_frame is None:  # a processor that stretches the picture over the frame
        framed_corners = corners / torch.tensor([row.width, row.height, row.width, row.height])
    else:
        framed_corners = to_frame(corners, row.height, row.width)
    labels[:, CLASS] = torch.from_numpy(row.classes).float()
    labels[:, BOX] = convert_boxes(framed_corners, "xyxy", "cxcywh").float()
    labels[:, CROWD] = torch.from_numpy(row.ignored).float()
    labels[:, AREA] = torch.from_numpy(row.areas).float()
    labels[:, FRAME_AREA] = frame_area(row, processor)
    return labels


def frame_area(row: ObjectRow, processor: Any) -> float:
    """Pixels of the picture that the whole frame is as large as."""
    whole = torch.tensor([0.0, 0.0, row.width, row.height], dtype=torch.float64)
    to_frame = getattr(processor, "to_frame", None)
    share = 1.0 if to_frame is None else float(to_frame(whole, row.height, row.width)[2:].prod())
    return row.width * row.height / share


def answers_of(found: Mapping[str, Tensor], names: Mapping[int, str]) -> Answers:
    """Boxes of one picture as answers."""
    rows = zip(found["scores"].tolist(), found["labels"].tolist(), found["boxes"].tolist(), strict=True)
    return [
        {"label": names[label], "score": score, "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))}
        for score, label, box in rows
    ]
