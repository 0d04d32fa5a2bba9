"""The task of audio classification: one recording, one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..audio import read_waveform
from ..columns import RECORDING_COLUMN, ColumnKind
from ..inputs import RECORDINGS, InputKind
from ..tensor_table import TensorTable
from .classification import Classification

if TYPE_CHECKING:
    from datasets import Dataset

RECORDINGS_AT_ONCE = 64


class AudioClassification(Classification):
    """Tell to which class a recording belongs; scored by accuracy.

    Columns have the roles `audio` (a column of `datasets.Audio`, or of encoded bytes or file names that the user
    names) and `label` (a `ClassLabel`, or a column of strings or integers with one of the usual names).
    """

    name: ClassVar[str] = "audio-classification"
    inputs: ClassVar[InputKind] = RECORDINGS
    input_role: ClassVar[str] = "audio"
    input_kind: ClassVar[ColumnKind] = RECORDING_COLUMN
    inputs_called: ClassVar[str] = "recordings"

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """What the feature extractor makes of arrays of samples, file names or encoded bytes: `input_values` (N, T)."""
        recordings = [read_waveform(source, processor.sampling_rate) for source in inputs]
        return _extracted(recordings, processor)

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every recording once, with soundfile.

        Returns:
            What the feature extractor gives, such as `input_values` float32 (N, T), and `labels` int64 (N,).

        Raises:
            DataError: A recording does not decode or has another sampling rate than the model, or a label is missing
                or unknown to the model.
        """
        labels = self.labels(dataset, columns, label_names)
        return TensorTable({**_decode(dataset, columns["audio"], processor), "labels": labels})


def _decode(dataset: Dataset, column: str, processor: Any) -> dict[str, Tensor]:
    """The model's inputs of all recordings of a column, first dimension N; shorter ones are padded at their end."""
    from datasets import Audio

    encoded = dataset.with_format(None).select_columns([column])
    if not isinstance(dataset.features[column], dict):
        encoded = encoded.cast_column(column, Audio(decode=False))
    rows: dict[str, list[Tensor]] = {}
    for start in range(0, len(encoded), RECORDINGS_AT_ONCE):
        waveforms = []
        for row, source in enumerate(encoded[start : start + RECORDINGS_AT_ONCE][column], start):
            name = f"recording {source['path']!r} (row {row})" if source and source.get("path") else f"row {row}"
            waveforms.append(read_waveform(source, processor.sampling_rate, name=name))
        for name, values in _extracted(waveforms, processor).items():
            rows.setdefault(name, []).extend(values)
    filling = {name: processor.padding_value if values[0].is_floating_point() else 0 for name, values in rows.items()}
    return {name: pad_sequence(values, batch_first=True, padding_value=filling[name]) for name, values in rows.items()}


def _extracted(waveforms: Sequence[Any], processor: Any) -> dict[str, Tensor]:
    """What a feature extractor of transformers makes of waveforms (T,), by the names of the model's inputs."""
    extracted = processor(list(waveforms), sampling_rate=processor.sampling_rate, padding=True, return_tensors="pt")
    return {name: extracted[name] for name in processor.model_input_names if name in extracted}
