"""Recordings to waveforms: what decodes, what is refused, and what happens without soundfile."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tsugiki.audio import read_waveform
from tsugiki.errors import DataError, PluginError


def encoded(samples, rate=100, kind="FLAC") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def test_another_sampling_rate_is_refused():
    with pytest.raises(DataError, match="clip has 200 samples a second and the model takes 100; resample it"):
        read_waveform(encoded(np.zeros(9), 200), 100, name="clip")


@pytest.mark.parametrize("kind", ["FLAC", "WAV"])
def test_reads_encoded_recordings(kind, tmp_path):
    samples = np.round(np.random.default_rng(0).uniform(-1, 1, 30) * 2**15) / 2**15
    content = encoded(samples, kind=kind)
    (tmp_path / "a.audio").write_bytes(content)
    for source in (content, str(tmp_path / "a.audio"), tmp_path / "a.audio", {"bytes": content, "path": None}):
        np.testing.assert_allclose(read_waveform(source, 100), samples, atol=1 / 2**15)


def test_channels_become_their_mean():
    samples = np.stack([np.full(10, 0.5), np.full(10, 0.25)], axis=1)
    np.testing.assert_allclose(read_waveform(encoded(samples, kind="WAV"), 100), np.full(10, 0.375), atol=1e-4)


@pytest.mark.parametrize("source", [b"not a recording", None, "no/such/file.wav"])
def test_what_does_not_decode_is_named(source):
    with pytest.raises(DataError, match="row 3 does not decode as audio"):
        read_waveform(source, 100, name="row 3")


def test_without_soundfile_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(PluginError, match=r"needs the package 'soundfile'.*pip install 'tsugiki\[audio\]'"):
        read_waveform(b"anything", 100)
    np.testing.assert_array_equal(read_waveform(np.ones(3), 100), np.ones(3))


def test_the_core_imports_soundfile_only_when_it_reads():
    code = "import sys, tsugiki.audio, tsugiki.tasks.audio_classification; print('soundfile' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
