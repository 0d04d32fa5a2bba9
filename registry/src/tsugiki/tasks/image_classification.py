"""The task of image classification: one picture, one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..columns import PICTURE_COLUMN, ColumnKind
from ..images import Normalize, decode_image_column
from ..inputs import PICTURES, InputKind
from ..predictions import Predictions
from ..task import Picture
from ..tensor_table import TensorTable
from .classification import Classification

if TYPE_CHECKING:
    from datasets import Dataset


class ImageClassification(Classification):
    """Tell to which class a picture belongs; scored by accuracy.

    Columns have the roles `image` (a column of `datasets.Image`) and `label` (a `ClassLabel`, or a column of strings or
    integers with one of the usual names).
    """

    name: ClassVar[str] = "image-classification"
    inputs: ClassVar[InputKind] = PICTURES
    input_role: ClassVar[str] = "image"
    input_kind: ClassVar[ColumnKind] = PICTURE_COLUMN
    inputs_called: ClassVar[str] = "pictures"
    refined_pipeline_class = "tsugiki.tasks.image_classification_pipeline:PictureClassificationPipeline"

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`pixel_values` (N, C, H, W) of Pillow images and whatever else the processor takes."""
        return {"pixel_values": processor(images=inputs, return_tensors="pt")["pixel_values"]}

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture once.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` int64 (N,).

        Raises:
            DataError: A picture does not decode, or a label is missing or unknown to the model.
        """
        labels = self.labels(dataset, columns, label_names)
        return TensorTable(
            {"pixel_values": decode_image_column(dataset, columns["image"], processor), "labels": labels},
            transform=Normalize.from_processor(processor),
        )

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw the confusion matrix, and the most confident mistakes if there are any."""
        from .confusion_matrix import draw_confusion_matrix
        from .worst_mistakes import draw_worst_mistakes

        matrix = draw_confusion_matrix(predictions, label_names, folder)
        mistakes = draw_worst_mistakes(predictions, table.columns["pixel_values"], label_names, folder)
        return [matrix] if mistakes is None else [matrix, mistakes]
