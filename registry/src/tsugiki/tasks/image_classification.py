"""The task of image classification: one picture, one of several classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..errors import DataError
from ..images import Normalize, decode_images
from ..inputs import PICTURES, InputKind
from ..predictions import Predictions
from ..task import Picture
from ..tensor_table import TensorTable
from .classification import Classification, is_encoded_media, kind_of

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
    inputs_called: ClassVar[str] = "pictures"

    def find_input_columns(self, dataset: Dataset) -> tuple[list[str], str]:
        """Columns of `datasets.Image`."""
        return find_image_columns(dataset)

    def check_input_column(self, dataset: Dataset, column: str) -> None:
        """Refuse what `datasets` cannot cast to pictures with a DataError."""
        check_image_column(dataset, column)

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`pixel_values` (N, C, H, W) of Pillow images and whatever else the processor takes."""
        return {"pixel_values": processor(images=inputs, return_tensors="pt")["pixel_values"]}

    def table(
        self,
        dataset: Dataset,
        processor: Any,
        columns: Mapping[str, str] | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> TensorTable:
        """Decode every picture once.

        Args:
            dataset: The data, at least one row.
            processor: The model's image processor.
            columns: Columns by role; roles that it leaves out are found.
            label_names: The model's classes. Labels are matched by name, so that the order in the data is free. By
                default the data's own, each of which must then have rows.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` int64 (N,).

        Raises:
            DataError: A picture does not decode, or a label is missing or unknown to the model.
        """
        columns = self.columns(dataset, columns)
        labels = self.labels(dataset, columns, label_names)
        return TensorTable(
            {"pixel_values": decode_pictures(dataset, columns["image"], processor), "labels": labels},
            transform=Normalize.from_processor(processor),
        )

    def figures(
        self, predictions: Predictions, table: TensorTable, label_names: Sequence[str], folder: Path
    ) -> list[Picture]:
        """Draw the confusion matrix, and the most confident mistakes if there are any."""
        from .confusion_matrix import draw_confusion_matrix
        from .worst_mistakes import draw_worst_mistakes

        matrix = draw_confusion_matrix(predictions, label_names, folder)
        mistakes = draw_worst_mistakes(predictions, table.columns["pixel_values"], label_names, folder)
        return [matrix] if mistakes is None else [matrix, mistakes]


def find_image_columns(dataset: Dataset) -> tuple[list[str], str]:
    """Columns of `datasets.Image`, and what such a column is called in a message."""
    from datasets import Image

    found = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    return found, "of pictures (datasets.Image)"


def check_image_column(dataset: Dataset, column: str) -> None:
    """Refuse what `datasets` cannot cast to pictures: it can cast its own images, file names and encoded bytes."""
    from datasets import Image

    feature = dataset.features[column]
    if not (isinstance(feature, Image) or is_encoded_media(feature)):
        raise DataError(
            f"column {column!r} holds {kind_of(feature)}, not pictures; name a column of images, encoded bytes or file "
            f"names with columns={{'image': …}}, out of {', '.join(dataset.features)}"
        )


def decode_pictures(dataset: Dataset, column: str, processor: Any) -> Tensor:
    """All pictures of a column as uint8 (N, C, H, W)."""
    from datasets import Image

    encoded = dataset.with_format(None).select_columns([column]).cast_column(column, Image(decode=False))
    path: str | None = None

    def sources() -> Iterator[Any]:
        nonlocal path
        for batch in encoded.iter(batch_size=512):
            for source in batch[column]:
                path = source["path"] if source else None
                yield source

    # The name is asked for right after its picture was taken, while `path` is that picture's.
    return decode_images(sources(), processor, name=lambda row: f"image {path!r} (row {row})" if path else f"row {row}")
