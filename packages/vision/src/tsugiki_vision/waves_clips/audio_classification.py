"""The task of audio classification: one recording, one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.tasks.classification import Classification, is_encoded_media, kind_of
from tsugiki.tensor_table import TensorTable

from .waveform_processing import read_waveform

if TYPE_CHECKING:
    from datasets import Dataset


class AudioClassification(Classification):
    """Tell to which class a recording belongs; scored by accuracy.

    Columns have the roles `audio` (a column of `datasets.Audio`, or of encoded bytes or file names that the user
    names) and `label` (a `ClassLabel`, or a column of strings or integers with one of the usual names).
    """

    name: ClassVar[str] = "audio-classification"
    input_role: ClassVar[str] = "audio"
    inputs_called: ClassVar[str] = "recordings"

    def find_input_columns(self, dataset: Dataset) -> tuple[list[str], str]:
        """Columns of `datasets.Audio`."""
        from datasets import Audio

        found = [name for name, feature in dataset.features.items() if isinstance(feature, Audio)]
        return found, "of recordings (datasets.Audio)"

    def check_input_column(self, dataset: Dataset, column: str) -> None:
        """Refuse what is neither audio nor its encoded bytes or file names with a DataError."""
        from datasets import Audio

        feature = dataset.features[column]
        if not (isinstance(feature, Audio) or is_encoded_media(feature)):
            raise DataError(
                f"column {column!r} holds {kind_of(feature)}, not recordings; name a column of audio, encoded bytes or "
                f"file names with columns={{'audio': …}}, out of {', '.join(dataset.features)}"
            )

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`input_values` (N, T) of arrays of samples, file names or encoded bytes."""
        recordings = [read_waveform(source, processor.sampling_rate) for source in inputs]
        return {"input_values": processor(recordings, return_tensors="pt")["input_values"]}

    def table(
        self,
        dataset: Dataset,
        processor: Any,
        columns: Mapping[str, str] | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> TensorTable:
        """Decode every recording once, with soundfile.

        Args:
            dataset: The data, at least one row.
            processor: The model's feature extractor.
            columns: Columns by role; roles that it leaves out are found.
            label_names: The model's classes, matched by name; by default the data's own.

        Returns:
            `input_values` float32 (N, T) and `labels` int64 (N,).

        Raises:
            DataError: A recording does not decode or has another sampling rate than the model, or a label is missing
                or unknown to the model.
        """
        columns = self.columns(dataset, columns)
        labels = self.labels(dataset, columns, label_names)
        return TensorTable({"input_values": _decode(dataset, columns["audio"], processor), "labels": labels})


def _decode(dataset: Dataset, column: str, processor: Any) -> Tensor:
    """All recordings of a column as float32 (N, T)."""
    from datasets import Audio

    encoded = dataset.with_format(None).select_columns([column])
    if not isinstance(dataset.features[column], dict):
        encoded = encoded.cast_column(column, Audio(decode=False))
    waveforms = []
    for row, source in enumerate(encoded[column]):
        name = f"recording {source['path']!r} (row {row})" if source and source.get("path") else f"row {row}"
        waveforms.append(processor.prepare(read_waveform(source, processor.sampling_rate, name=name)))
    return torch.from_numpy(np.stack(waveforms))
