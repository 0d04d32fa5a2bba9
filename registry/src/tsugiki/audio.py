"""Recordings to waveforms: read with soundfile, which is imported when used, and made mono.

Nothing is resampled: a recording of another sampling rate is refused with its rate named.
"""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .errors import DataError, PluginError


def read_waveform(source: Any, sampling_rate: int, *, name: str = "recording") -> NDArray[np.float32]:
    """Decode a recording; several channels become their mean.

    Args:
        source: Samples as an array or tensor, encoded bytes (WAV, FLAC, Ogg, MP3), a path, or a `{"bytes", "path"}` row
            of `datasets`.
        sampling_rate: Samples a second that it must have.
        name: How an error calls it.

    Returns:
        Samples `(T,)` in -1..1.

    Raises:
        DataError: It does not decode, is empty, or has another sampling rate.
        PluginError: soundfile is not installed.
    """
    if isinstance(source, np.ndarray | torch.Tensor):
        return np.asarray(source, dtype=np.float32)
    soundfile = _soundfile()
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if source is None:
        raise DataError(f"{name} does not decode as audio: it is empty; replace or remove it")
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else str(Path(source))
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)  # (T, channels)
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        reason = " ".join(str(error).split()).rpartition(": ")[2]
        raise DataError(f"{name} does not decode as audio: {reason}; replace or remove it") from error
    if len(samples) == 0:
        raise DataError(f"{name} does not decode as audio: it has no samples; replace or remove it")
    if rate != sampling_rate:
        raise DataError(f"{name} has {rate} samples a second and the model takes {sampling_rate}; resample it first")
    return samples.mean(axis=1)


def _soundfile() -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: the package is there and its C library is not
        raise PluginError(
            "reading recordings needs the package 'soundfile'; install it with: pip install 'tsugiki[audio]'"
        ) from error
