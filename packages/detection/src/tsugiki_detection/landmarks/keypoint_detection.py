"""Landmarks as a task: pictures and their points, the normalised mean error, pictures with what was found."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.adaptation import Adaptation
from tsugiki.answers import Answers
from tsugiki.columns import PICTURE_COLUMN, ColumnKind, Role, item_of
from tsugiki.errors import DataError
from tsugiki.eval_mode import eval_mode
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES
from tsugiki.metrics import Metric, mean_metric, score_metric
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions
from tsugiki.task import ALL_ANSWERS, Task
from tsugiki.tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

WITHIN = 0.1  # of the distance that errors are measured by: a point this near is right


def _holds_points(feature: Any) -> bool:
    inner = item_of(item_of(feature))
    return type(inner).__name__ == "Value" and str(inner.dtype).startswith(("float", "int"))


POINTS_COLUMN = ColumnKind(
    "points", "a list of [x, y] or [x, y, visible] for each picture", "such lists", _holds_points
)


class KeypointDetection(Task):
    """Where the points of an object are, such as those of a face, and whether each is seen."""

    name = "keypoint-detection"
    main_metric = "nme"
    greater_is_better = False
    inputs = PICTURES
    roles = {  # noqa: RUF012
        "image": Role(PICTURE_COLUMN, ("image",)),
        "keypoints": Role(POINTS_COLUMN, ("keypoints", "landmarks", "points")),
    }
    pipeline_class = "tsugiki_detection.landmarks.keypoint_pipeline:KeypointPipeline"
    shown_as = ".png"
    default_top_k = ALL_ANSWERS

    def __init__(self) -> None:
        self._eyes: Sequence[int] | None = None

    def adapted(self, base: Any, processor: Any, dataset: Dataset, columns: Mapping[str, str]) -> Adaptation:
        """The training goes on with as many points; other points get a new head."""
        count = points_of(dataset, columns["keypoints"])
        if count == base.config.num_landmarks:
            return super().adapted(base, processor, dataset, columns)
        fields = {"num_landmarks": count, "landmark_names": None, "mirrored": None, "eyes": None}
        why = f"a new head for {count} landmarks, for the base knows {base.config.num_landmarks}."
        return Adaptation(processor=processor, head_fields=fields, why=why)

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Decode every picture and its points once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` float32 (N, L, 3): x and y in
            fractions of the frame, and whether the point is seen.

        Raises:
            DataError: A picture does not decode, or its points are not as many as those of the first, or no numbers.
        """
        from ..detectors.objects_column import upright_sizes

        pixels = decode_image_column(dataset, columns["image"], processor)
        count = points_of(dataset, columns["keypoints"])
        sizes = upright_sizes(dataset, columns["image"])
        labels = torch.zeros(len(dataset), count, 3)
        for row, (points, (width, height)) in enumerate(
            zip(dataset.with_format(None)[columns["keypoints"]], sizes, strict=True)
        ):
            values = np.asarray(points or [], np.float64)
            if values.ndim != 2 or values.shape[0] != count or values.shape[1] not in (2, 3):
                raise DataError(f"row {row} has not {count} points of x and y, as the first row has")
            visible = np.ones(count) if values.shape[1] == 2 else (values[:, 2] > 0).astype(float)
            if not np.isfinite(values[visible > 0]).all():
                raise DataError(f"row {row} has a point that is no pair of finite numbers")
            framed = framed_points(torch.from_numpy(np.nan_to_num(values[:, :2])), processor, height, width)
            labels[row] = torch.cat([framed, torch.from_numpy(visible)[:, None]], 1).float()
        return TensorTable({"pixel_values": pixels, "labels": labels}, transform=Normalize.from_processor(processor))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """x, y and the chance of being seen of every point (B, L, 3)."""
        self._eyes = getattr(model.config, "eyes", None)
        output = model(**batch)
        return torch.cat([output.keypoints, output.logits.sigmoid()[..., None]], -1)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The negative mean error of each picture (N,)."""
        return -self._errors(predictions).sum(1) / np.maximum(self._visible(predictions).sum(1), 1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`nme`, the mean over pictures of the mean error of their points, as a fraction of the distance between the
        two points that the config names, such as the outer corners of the eyes, else of the diagonal of the box around
        all points; and `pck`, the share of points nearer than a tenth of that. Where not all are seen,
        `visible_accuracy`."""
        errors, visible = self._errors(predictions), self._visible(predictions)
        of_rows = errors.sum(1) / np.maximum(visible.sum(1), 1)
        near = ((errors < WITHIN) & visible).sum(1)

        def share(rows: NDArray[np.int64]) -> float:
            return float(near[rows].sum() / max(1, visible[rows].sum()))

        metrics = {
            "nme": mean_metric(of_rows, seed=seed),
            "pck": score_metric(share, len(near), n=int(visible.sum()), kind="share", seed=seed),
        }
        if not visible.all():
            right = (np.asarray(predictions.outputs)[..., 2] > 0.5) == visible

            def seen(rows: NDArray[np.int64]) -> float:
                return float(right[rows].mean())

            metrics["visible_accuracy"] = score_metric(seen, len(right), n=right.size, kind="share", seed=seed)
        return metrics

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw some pictures with their points, and the share of points by their error."""
        from .landmark_figures import draw_errors, draw_points

        errors = self._errors(predictions)[self._visible(predictions)]
        return [draw_points(table.columns["pixel_values"], predictions, folder), draw_errors(errors, folder)]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Find the points of pictures.

        Returns:
            For each picture every point as ``{"label": its name or number, "score": chance of being seen, "point":
            {"x", "y"}}`` in pixels.
        """
        batch = processor(images=list(inputs), return_tensors="pt")
        with eval_mode(model), torch.inference_mode():
            output = model(pixel_values=batch["pixel_values"].to(model.device, model.dtype))
        sizes = [(picture.height, picture.width) for picture in inputs]
        return point_answers(model.config, processor, output, sizes)

    def show(self, answers: Answers, content: Any) -> bytes:
        """The picture with its points, as PNG."""
        from .landmark_figures import with_points

        stream = io.BytesIO()
        with_points(content, answers).save(stream, "PNG")
        return stream.getvalue()

    def _errors(self, predictions: Predictions) -> NDArray[np.float64]:
        """Errors of the points (N, L) as fractions of each picture's distance; 0 of those that are not seen."""
        found, labels = np.asarray(predictions.outputs, np.float64), np.asarray(predictions.labels, np.float64)
        distance = np.linalg.norm(found[..., :2] - labels[..., :2], axis=-1)
        return np.where(self._visible(predictions), distance / reference(labels, self._eyes)[:, None], 0)

    @staticmethod
    def _visible(predictions: Predictions) -> NDArray[np.bool_]:
        return np.asarray(predictions.labels)[..., 2] > 0


def reference(labels: NDArray[np.float64], eyes: Sequence[int] | None) -> NDArray[np.float64]:
    """What errors are measured by in each picture (N,): the distance of two points, else the box's diagonal."""
    if eyes is not None:
        pair = labels[:, list(eyes), :2]
        return np.linalg.norm(pair[:, 0] - pair[:, 1], axis=-1).clip(1e-9)
    visible = labels[..., 2:] > 0
    low = np.where(visible, labels[..., :2], np.inf).min(1)
    high = np.where(visible, labels[..., :2], -np.inf).max(1)
    return np.nan_to_num(np.linalg.norm(high - low, axis=-1), posinf=1.0, neginf=1.0).clip(1e-9)


def points_of(dataset: Dataset, column: str) -> int:
    """How many points the first picture has.

    Raises:
        DataError: It has none.
    """
    count = len(dataset.with_format(None)[0][column] or [])
    if not count:
        raise DataError(f"the first row has no points in column {column!r}")
    return count


def framed_points(points: Tensor, processor: Any, height: int, width: int) -> Tensor:
    """Points (L, 2) in pixels of a picture as fractions of the frame."""
    return processor.to_frame(torch.cat([points, points], -1), height, width)[..., :2]


def point_answers(
    config: Any, processor: Any, output: Any, sizes: Sequence[tuple[int, int]]
) -> list[list[dict[str, Any]]]:
    """The points of each picture as answers; sizes are height and width."""
    names = config.landmark_names or [str(number) for number in range(config.num_landmarks)]
    answers = []
    for points, logits, (height, width) in zip(output.keypoints, output.logits, sizes, strict=True):
        placed = processor.to_picture(torch.cat([points, points], -1), height, width)[..., :2].tolist()
        chances = logits.float().sigmoid().tolist()
        answers.append(
            [
                {"label": name, "score": chance, "point": {"x": x, "y": y}}
                for name, chance, (x, y) in zip(names, chances, placed, strict=True)
            ]
        )
    return answers
