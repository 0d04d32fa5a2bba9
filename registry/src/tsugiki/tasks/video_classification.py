"""The task of video classification: one short clip, one of several classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..columns import CLIP_COLUMN, ColumnKind, item_of
from ..errors import DataError
from ..fingerprint import encoded_media
from ..images import Normalize, open_image
from ..inputs import CLIPS, InputKind
from ..tensor_table import TensorTable
from .classification import Classification

if TYPE_CHECKING:
    from datasets import Dataset

ROWS_AT_ONCE = 256


class VideoClassification(Classification):
    """Tell to which class a clip belongs; scored by accuracy.

    Columns have the roles `video` (frames as `datasets.Array3D` (T, H, W) or `Array4D` (T, H, W, C) of bytes, a list of
    `datasets.Image`, or animated pictures as `datasets.Image`) and `label` (a `ClassLabel`, or a column of strings or
    integers with one of the usual names).
    """

    name: ClassVar[str] = "video-classification"
    inputs: ClassVar[InputKind] = CLIPS
    input_role: ClassVar[str] = "video"
    input_kind: ClassVar[ColumnKind] = CLIP_COLUMN
    inputs_called: ClassVar[str] = "clips"

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`pixel_values` (N, T, C, H, W) of arrays, lists of frames or animated pictures."""
        clips = [processor([clip], return_tensors="pt")["pixel_values"] for clip in inputs]
        return {"pixel_values": torch.cat(clips)}

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every clip once.

        Returns:
            `pixel_values` uint8 (N, T, C, H, W), normalised batch by batch, and `labels` int64 (N,).

        Raises:
            DataError: A clip does not decode, or a label is missing or unknown to the model.
        """
        labels = self.labels(dataset, columns, label_names)
        return TensorTable(
            {"pixel_values": _decode(dataset, columns["video"], processor), "labels": labels},
            transform=Normalize.from_processor(processor),
        )


def _decode(dataset: Dataset, column: str, processor: Any) -> Tensor:
    """All clips of a column as uint8 (N, T, C, H, W)."""
    from datasets import Array3D, Array4D

    batches: Iterator[list[Any]]
    if isinstance(dataset.features[column], Array3D | Array4D):
        rows = dataset.select_columns([column]).with_format("numpy")
        batches = ([list(clip) for clip in batch[column]] for batch in rows.iter(ROWS_AT_ONCE))  # as their frames
    else:
        batches = _opened_clips(dataset, column)
    parts = []
    for clips in batches:
        try:
            arrays = processor(clips, do_rescale=False, do_normalize=False)["pixel_values"]
        except (ValueError, TypeError, OSError) as error:
            raise DataError(f"column {column!r}: a clip does not decode: {' '.join(str(error).split())}") from error
        parts.append(torch.from_numpy(np.clip(np.rint(arrays), 0, 255).astype(np.uint8)))
    return torch.cat(parts)


def _opened_clips(dataset: Dataset, column: str) -> Iterator[list[Any]]:
    """The clips of a column of animated pictures or of lists of pictures, each in a batch of its own."""
    from datasets import Image, List

    is_list = item_of(dataset.features[column]) is not None
    encoded = dataset.cast_column(column, List(Image(decode=False)) if is_list else Image(decode=False))
    for row, source in enumerate(encoded_media(encoded, column)):
        name = f"column {column!r}: the clip of row {row}"
        if is_list:
            yield [[open_image(frame, name=name) for frame in source or ()]]
        else:
            yield [open_image(source, name=name, all_frames=True)]
