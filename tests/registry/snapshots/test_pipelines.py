"""`tsugiki.pipeline`: the task named by the snapshot, everything from the folder."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from PIL import Image
from tsugiki.errors import OptionError, SnapshotError, UnknownNameError

from ..tiny_snapshots import LABELS, SIZES, write_provenance, write_snapshot

PICTURE = Image.effect_noise((40, 30), 90).convert("RGB")


@pytest.fixture
def folder(tmp_path):
    return write_snapshot(tmp_path / "plain")


@pytest.mark.parametrize("family", list(SIZES))
def test_classifies_pictures_as_the_model_does(tmp_path, family):
    folder = write_snapshot(tmp_path / family, family)
    answers = tsugiki.pipeline(folder)([PICTURE, PICTURE.rotate(90)], top_k=3)
    model, processor = tsugiki.load(folder), tsugiki.load_processor(folder)
    with torch.inference_mode():
        scores = model(**processor([PICTURE, PICTURE.rotate(90)], return_tensors="pt")).logits.softmax(dim=1)
    for answer, row in zip(answers, scores, strict=True):
        found = {entry["label"]: entry["score"] for entry in answer}
        assert found == pytest.approx(dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-5)


def test_options_go_to_the_pipeline_and_to_the_model(folder):
    pipe = tsugiki.pipeline(str(folder), dtype="bfloat16", batch_size=2)
    assert pipe.model.dtype == torch.bfloat16
    assert len(pipe(PICTURE, top_k=1)) == 1


def test_task_can_be_named_in_provenance_or_by_the_caller(folder):
    write_provenance(folder, task="image-classification")
    assert tsugiki.pipeline(folder).task == "image-classification"
    assert tsugiki.pipeline(folder, "image-classification").task == "image-classification"
    with pytest.raises(UnknownNameError, match=r"'image-clasification'.*Did you mean 'image-classification'"):
        tsugiki.pipeline(folder, task="image-clasification")


def test_bare_network_has_no_task(folder, tmp_path):
    tsugiki.load(folder, task="backbone").save_pretrained(tmp_path / "backbone")
    with pytest.raises(OptionError, match="made for no task; name one with task="):
        tsugiki.pipeline(tmp_path / "backbone")


def test_damaged_snapshot_is_refused_before_a_pipeline_is_made(folder):
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(SnapshotError, match="the file is empty"):
        tsugiki.pipeline(folder)
