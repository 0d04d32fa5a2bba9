from __future__ import annotations

import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import Array3D, Array4D, ClassLabel, Dataset, Features, Image
from tsugiki.errors import DataError
from tsugiki.fingerprint import content_fingerprint
from tsugiki.predictions import Predictions
from tsugiki.tasks.video_classification import VideoClassification
from tsugiki_toy.processing import ToyClipProcessor
from tsugiki_toy.sequences import ClipsConfig, ClipsForVideoClassification

TASK = VideoClassification()
PROCESSOR = ToyClipProcessor(size={"height": 6, "width": 6}, image_mean=[0.4], image_std=[0.2])
CLIPS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6), dtype=np.uint8)


def clips(feature, rows) -> Dataset:
    features = Features({"frames": feature, "label": ClassLabel(names=["left", "right"])})
    return Dataset.from_dict({"frames": rows, "label": [0, 1, 1, 0]}, features=features)


ARRAYS = clips(Array3D((3, 6, 6), "uint8"), CLIPS)


def test_finds_columns_by_their_types():
    assert TASK.columns(ARRAYS) == {"video": "frames", "label": "label"}
    with pytest.raises(DataError, match="no column of clips"):
        TASK.columns(ARRAYS.remove_columns("frames"))
    with pytest.raises(DataError, match="column 'label' holds ClassLabel, not clips"):
        TASK.columns(ARRAYS, {"video": "label"})


def test_table_holds_what_the_processor_gives():
    table = TASK.table(ARRAYS, PROCESSOR)
    assert table.columns["pixel_values"].dtype == torch.uint8
    assert table.labels.tolist() == [0, 1, 1, 0]
    expected = PROCESSOR(list(CLIPS), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(table.batch(range(4))["pixel_values"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "data",
    [
        clips(Array4D((3, 6, 6, 1), "uint8"), CLIPS[..., None]),
        clips(datasets.List(Image()), [[PIL.Image.fromarray(frame) for frame in clip] for clip in CLIPS]),
        ARRAYS.with_format("torch"),
    ],
    ids=["Array4D", "lists of pictures", "torch format"],
)
def test_other_kinds_of_columns_hold_the_same_clips(data):
    expected = TASK.table(ARRAYS, PROCESSOR).columns["pixel_values"]
    assert torch.equal(TASK.table(data, PROCESSOR).columns["pixel_values"], expected)


def test_fingerprint_of_arrays_is_that_of_their_content(tmp_path):
    ARRAYS.save_to_disk(str(tmp_path / "saved"))
    same = [
        datasets.load_from_disk(str(tmp_path / "saved")),
        datasets.concatenate_datasets([ARRAYS.select([0]), ARRAYS.select([1, 2, 3])]),
        ARRAYS.with_format("torch"),
    ]
    assert {content_fingerprint(one) for one in same} == {content_fingerprint(ARRAYS)}
    changed = CLIPS.copy()
    changed[2, 1, 3, 3] ^= 1
    assert content_fingerprint(clips(Array3D((3, 6, 6), "uint8"), changed)) != content_fingerprint(ARRAYS)
    assert content_fingerprint(ARRAYS.select([1, 0, 2, 3])) != content_fingerprint(ARRAYS)


def test_predicts_single_clips():
    torch.manual_seed(0)
    config = ClipsConfig(image_size=6, num_frames=3, **TASK.config_fields(["left", "right"]))
    model = ClipsForVideoClassification(config).eval()
    answers = TASK.predict(model, PROCESSOR, [CLIPS[0], list(CLIPS[1])], top_k=1)
    scores, labels = model(**PROCESSOR(list(CLIPS[:2]), return_tensors="pt")).logits.softmax(1).max(1)
    assert [answer[0]["label"] for answer in answers] == [config.id2label[label] for label in labels.tolist()]
    assert [answer[0]["score"] for answer in answers] == pytest.approx(scores.tolist(), abs=1e-5)


def test_draws_the_confusion_matrix(tmp_path):
    predictions = Predictions(np.eye(2, dtype=np.float32)[[0, 1, 1, 1]], np.array([0, 1, 1, 0]))
    assert TASK.metrics(predictions)["accuracy"].value == 0.75
    (picture,) = TASK.figures(predictions, TASK.table(ARRAYS, PROCESSOR), tmp_path, label_names=["left", "right"])
    assert (tmp_path / picture.file).is_file() and "4 clips" in picture.caption
