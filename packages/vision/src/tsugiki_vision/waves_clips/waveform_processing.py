"""Waveforms to a network's input: brought to one length and one loudness. Nothing is resampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature

SILENCE = 1e-4  # root mean square below which a recording is not made louder: noise of the last bits of 16


class WaveformFeatureExtractor(SequenceFeatureExtractor):
    """Prepare mono recordings for a network of waveforms.

    Each gets the root mean square 1 and the length `num_samples`: of a longer one the middle is kept, a shorter one
    stands in the middle between zeros. There is no attention mask, for all have the same length.

    Args:
        sampling_rate: Samples a second that the network is made for.
        num_samples: Length of every waveform.
        do_normalize: Divide each recording by its root mean square, before the zeros.
        kwargs: Fields of the library's own extractors.
    """

    model_input_names: ClassVar[list[str]] = ["input_values"]

    def __init__(
        self, sampling_rate: int = 8_000, num_samples: int = 8_000, do_normalize: bool = True, **kwargs: Any
    ) -> None:
        kwargs = {"feature_size": 1, "padding_value": 0.0, **kwargs}
        super().__init__(sampling_rate=sampling_rate, **kwargs)
        if sampling_rate < 1 or num_samples < 1:
            raise ValueError(
                f"sampling_rate and num_samples must be at least 1, not {sampling_rate} and {num_samples}."
            )
        self.num_samples = num_samples
        self.do_normalize = do_normalize

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare recordings.

        Args:
            raw_speech: Samples `(T,)` as an array, tensor or list of floats, or a list of such; an array `(N, T)` is N
                recordings.
            sampling_rate: Their samples a second, if known.
            return_tensors: `pt` or `np`; NumPy by default.
            kwargs: Taken for the sake of transformers' pipelines, and ignored.

        Returns:
            `input_values` float32 `(N, num_samples)`.

        Raises:
            ValueError: The rate is another than the network's, or a recording is empty or not `(T,)`.
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(
                f"The recordings have {sampling_rate} samples a second and this network takes {self.sampling_rate}: "
                "resample them first."
            )
        waveforms = [self.prepare(recording) for recording in _as_list(raw_speech)]
        return BatchFeature({"input_values": np.stack(waveforms)}, tensor_type=return_tensors)

    def prepare(self, recording: NDArray[Any]) -> NDArray[np.float32]:
        """One recording `(T,)` to a waveform `(num_samples,)`."""
        samples = np.asarray(recording, dtype=np.float32)
        if samples.ndim != 1 or len(samples) == 0:
            raise ValueError(f"A recording must be (T,) with one channel and not empty, not {samples.shape}.")
        surplus = len(samples) - self.num_samples
        if surplus > 0:
            samples = samples[surplus // 2 : surplus // 2 + self.num_samples]
        if self.do_normalize:
            samples = samples / max(SILENCE, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))
        before = max(0, -surplus) // 2
        return np.pad(samples, (before, self.num_samples - before - len(samples))).astype(np.float32)


def _as_list(raw_speech: Any) -> Sequence[Any]:
    """One recording or several as a list of recordings."""
    if isinstance(raw_speech, np.ndarray | torch.Tensor):
        return [raw_speech] if raw_speech.ndim == 1 else list(raw_speech)
    is_one = len(raw_speech) > 0 and isinstance(raw_speech[0], int | float | np.number)
    return [raw_speech] if is_one else raw_speech
