from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import torch
import tsugiki
from datasets import Audio, ClassLabel, Dataset, Features, Value
from transformers import Wav2Vec2FeatureExtractor
from tsugiki.errors import DataError
from tsugiki.predictions import Predictions
from tsugiki.tasks import audio_classification
from tsugiki.tasks.audio_classification import AudioClassification
from tsugiki_toy.processing import ToyWaveformExtractor
from tsugiki_toy.sequences import TonesConfig, TonesForAudioClassification

TASK = AudioClassification()
PROCESSOR = ToyWaveformExtractor(sampling_rate=8000, num_samples=64)


def tone(frequency: float, rate: int = 8000, length: int = 50) -> dict:
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(2 * np.pi * frequency * np.arange(length) / rate), rate, format="FLAC")
    return {"bytes": file.getvalue(), "path": f"{frequency}.flac"}


def recordings(encoded, labels, feature=None) -> Dataset:
    """Encoded recordings with labels, put together without the encoder of `datasets`, which needs torchcodec."""
    record = {"bytes": Value("binary"), "path": Value("string")}
    features = Features({"audio": record, "label": feature or ClassLabel(names=["low", "high"])})
    return Dataset.from_dict({"audio": encoded, "label": labels}, features=features).cast_column("audio", Audio())


def tones(frequencies, labels) -> Dataset:
    return recordings([tone(one) for one in frequencies], labels)


def test_finds_columns_by_their_types():
    assert TASK.columns(tones([100], [0])) == {"audio": "audio", "label": "label"}
    with pytest.raises(DataError, match="no column of recordings"):
        TASK.columns(tones([100], [0]).remove_columns("audio"))
    with pytest.raises(DataError, match="column 'label' holds ClassLabel, not recordings"):
        TASK.columns(tones([100], [0]), {"audio": "label"})
    with pytest.raises(DataError, match="audio-classification has no role 'image', only audio and label"):
        TASK.columns(tones([100], [0]), {"image": "audio"})


def test_table_holds_what_the_feature_extractor_gives():
    data = tones([100, 2000], [0, 1])
    table = TASK.table(data, PROCESSOR)
    for row, frequency in enumerate((100, 2000)):
        samples, _ = soundfile.read(io.BytesIO(tone(frequency)["bytes"]), dtype="float32")
        expected = PROCESSOR(samples, return_tensors="pt")["input_values"][0]
        assert torch.equal(table.columns["input_values"][row], expected)
    assert table.labels.tolist() == [0, 1]
    assert TASK.table(data, PROCESSOR, label_names=["high", "low"]).labels.tolist() == [1, 0]


def test_reads_file_names_that_the_user_names(tmp_path):
    (tmp_path / "a.flac").write_bytes(tone(100)["bytes"])
    data = Dataset.from_dict({"file": [str(tmp_path / "a.flac")] * 2, "label": ["a", "b"]})
    assert TASK.table(data, PROCESSOR, {"audio": "file"}).columns["input_values"].shape == (2, 64)


def test_a_stock_feature_extractor_pads_shorter_recordings(monkeypatch):
    monkeypatch.setattr(audio_classification, "RECORDINGS_AT_ONCE", 2)
    stock = Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=False, return_attention_mask=True)
    data = recordings([tone(100, length=length) for length in (5, 7, 9)], [0, 1, 1])
    table = TASK.table(data, stock)
    samples = [
        soundfile.read(io.BytesIO(tone(100, length=length)["bytes"]), dtype="float32")[0] for length in (5, 7, 9)
    ]
    expected = stock(samples, sampling_rate=8000, padding=True, return_tensors="pt")
    assert {name: column.shape for name, column in table.columns.items()} == {
        "input_values": (3, 9),
        "attention_mask": (3, 9),
        "labels": (3,),
    }
    for name in ("input_values", "attention_mask"):
        assert torch.equal(table.columns[name], expected[name])


def test_recording_that_does_not_decode_is_named():
    data = recordings([tone(100), {"bytes": b"noise", "path": "x/broken.flac"}], [0, 1])
    with pytest.raises(DataError, match=r"recording 'x/broken\.flac' \(row 1\) does not decode as audio"):
        TASK.table(data, PROCESSOR)


def test_recording_of_another_rate_is_named():
    data = recordings([tone(100), tone(100, 16000)], ["a", "b"], Value("string"))
    with pytest.raises(DataError, match=r"\(row 1\) has 16000 samples a second and the model takes 8000; resample"):
        TASK.table(data, PROCESSOR)


@pytest.fixture
def model() -> TonesForAudioClassification:
    torch.manual_seed(0)
    return TonesForAudioClassification(TonesConfig(**TASK.config_fields(["low", "high"]))).eval()


def test_predicts_files_bytes_and_samples_alike(model, tmp_path):
    content = tone(300)["bytes"]
    (tmp_path / "a.flac").write_bytes(content)
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    answers = TASK.predict(model, PROCESSOR, [tmp_path / "a.flac", content, samples])
    assert answers[0] == answers[1] == answers[2]
    assert sum(entry["score"] for entry in answers[0]) == pytest.approx(1)


def test_pipeline_of_transformers_agrees(model, tmp_path):
    model.save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    samples, _ = soundfile.read(io.BytesIO(tone(300)["bytes"]), dtype="float32")
    answers = tsugiki.pipeline(str(tmp_path), "audio-classification")(samples)
    (expected,) = TASK.predict(model, PROCESSOR, [samples])
    assert [one["label"] for one in answers] == [one["label"] for one in expected]
    assert [one["score"] for one in answers] == pytest.approx([one["score"] for one in expected])


def test_draws_the_confusion_matrix(tmp_path):
    predictions = Predictions(np.eye(2, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 0]))
    (picture,) = TASK.figures(
        predictions, TASK.table(tones([1, 2], [0, 1]), PROCESSOR), tmp_path, label_names=["low", "high"]
    )
    assert (tmp_path / picture.file).is_file() and "3 recordings" in picture.caption
