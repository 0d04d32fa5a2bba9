from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki_vision.waves_clips.waveform_processing import WaveformFeatureExtractor


def extractor(**fields) -> WaveformFeatureExtractor:
    return WaveformFeatureExtractor(**{"sampling_rate": 100, "num_samples": 8, "do_normalize": False, **fields})


def test_short_recording_stands_between_zeros():
    assert extractor()([1.0, 2.0, 3.0])["input_values"].tolist() == [[0, 0, 1, 2, 3, 0, 0, 0]]


def test_middle_of_a_long_recording_is_kept():
    assert extractor()(np.arange(11.0))["input_values"].tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]


def test_loudness_is_one_whatever_the_length_and_gain():
    recording = np.random.default_rng(0).normal(size=5)
    prepared = [extractor(do_normalize=True)(gain * recording)["input_values"][0] for gain in (1, 0.1)]
    np.testing.assert_allclose(prepared[0], prepared[1], rtol=1e-5)
    assert np.square(prepared[0]).sum() / 5 == pytest.approx(1, abs=1e-5)


def test_silence_stays_silent():
    assert not extractor(do_normalize=True)(np.zeros(20))["input_values"].any()


def test_batches_equal_single_recordings():
    recordings = [np.random.default_rng(n).normal(size=5 + n).astype(np.float32) for n in range(4)]
    together = extractor()(recordings, return_tensors="pt")["input_values"]
    assert together.dtype == torch.float32
    for row, recording in zip(together, recordings, strict=True):
        assert torch.equal(row, extractor()(torch.from_numpy(recording), return_tensors="pt")["input_values"][0])


def test_another_sampling_rate_is_refused():
    with pytest.raises(ValueError, match="200 samples a second and this network takes 100: resample"):
        extractor()(np.zeros(9), sampling_rate=200)


@pytest.mark.parametrize("bad", [np.zeros((2, 3, 4)), np.zeros((1, 0))])
def test_recording_of_another_shape_is_refused(bad):
    with pytest.raises(ValueError, match="must be"):
        extractor()(bad)


def test_settings_survive_saving(tmp_path):
    extractor(num_samples=5).save_pretrained(tmp_path)
    loaded = WaveformFeatureExtractor.from_pretrained(tmp_path)
    assert (loaded.num_samples, loaded.sampling_rate, loaded.do_normalize) == (5, 100, False)
