"""What the tasks share that need pictures and no labels: what comes out is held against the picture itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import PICTURE_COLUMN, Role
from tsugiki.errors import DataError
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

ROLE = "image"


class UnlabelledPictures(Task):
    """A task whose only role is `image`, a column of `datasets.Image`; lower figures are better, no row is counted."""

    greater_is_better: ClassVar[bool] = False
    inputs: ClassVar[InputKind] = PICTURES
    roles: ClassVar[Mapping[str, Role]] = {ROLE: Role(PICTURE_COLUMN)}
    score_name: ClassVar[str]  # of what `score` measures

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Decode every picture once; the image processor must leave pixels from 0 to 1.

        Returns:
            `pixel_values` uint8 (N, C, H, W), from 0 to 1 batch by batch, and as `labels` the same, uint8.

        Raises:
            DataError: A picture does not decode, or the processor gives other pixels.
        """
        normalize = unit_normalization(processor, self.name)
        pixels = decode_image_column(dataset, columns[ROLE], processor)
        return TensorTable({"pixel_values": pixels, "labels": pixels}, transform=normalize)

    def score(self, model: Any, pixel_values: Tensor) -> NDArray[Any]:
        """The main figure of single pictures (N, C, H, W) from 0 to 1, (N,)."""
        raise NotImplementedError  # abstract

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Measure single pictures.

        Args:
            inputs: Pictures that the processor takes, such as Pillow images.

        Returns:
            For each picture one entry, `{"label": name of the figure, "score": figure}`.
        """
        pixel_values = processor(images=list(inputs), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            scores = self.score(model, pixel_values.to(model.device, model.dtype))
        return [[{"label": self.score_name, "score": float(score)}] for score in scores]


def unit_normalization(processor: Any, task: str) -> Normalize:
    """The processor's normalisation, made sure to bring 0..255 to 0..1 and no more.

    Raises:
        DataError: It does something else.
    """
    normalize = Normalize.from_processor(processor)
    if any(normalize.mean) or any(value != 1 for value in normalize.std) or abs(normalize.rescale * 255 - 1) > 1e-6:
        raise DataError(
            f"{task} is measured on pixels from 0 to 1, and the image processor gives others: set its image_mean to 0 "
            "and its image_std to 1, for every channel"
        )
    return normalize
