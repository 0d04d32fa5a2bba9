"""Families and processors of a real plugin in the hands of the core, whose own tests know the toy alone."""

from __future__ import annotations

import io
import logging

import datasets
import numpy as np
import pytest
import soundfile
import torch
import transformers
import tsugiki
from datasets import Array3D, ClassLabel, Dataset, Features
from PIL import Image
from transformers import AutoBackbone, AutoConfig, AutoModel, AutoModelForImageClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from tsugiki.evaluation import task_named
from tsugiki.images import Normalize, decode_images
from tsugiki.registry import RegisteredFamily, registry
from tsugiki.transfer.features import head_features
from tsugiki.transfer.stages import check_stages, head_of

from ..registry import tiny_snapshots, transfer_data
from ..registry.tiny_snapshots import LABELS, pictures, write_snapshot

SIZES = {
    "lenet": {"hidden_sizes": [12, 8]},
    "mlp": {"image_size": 32, "hidden_sizes": [8, 6]},
    "cifar-resnet": {"depth": 8, "stage_channels": [4, 4, 8]},
    "resnet": tiny_snapshots.SIZES["resnet"],
}
STAGES = {"lenet": 4, "mlp": 2, "cifar-resnet": 4, "resnet": 3}
PICTURE = Image.effect_noise((40, 30), 90).convert("RGB")


@pytest.fixture(scope="module", params=SIZES)
def family(request) -> RegisteredFamily:
    tsugiki.register()
    return registry().family(request.param)


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    return write_snapshot(tmp_path_factory.mktemp("snapshot") / family.name, family.name, SIZES[family.name])


def test_transformers_finds_the_family_the_processor_and_the_backbone(family, folder):
    expected, model = tsugiki.load(folder), AutoModelForImageClassification.from_pretrained(folder)
    config = AutoConfig.from_pretrained(folder, out_indices=[0, 1])
    assert (type(model), type(config)) == (type(expected), type(expected.config))
    assert torch.equal(model(pictures(model)).logits, expected(pictures(model)).logits)
    assert type(AutoModel.from_config(model.config)) is family.model_class("base")
    backbone = AutoBackbone.from_config(config)
    assert len(backbone(pictures(backbone)).feature_maps) == 2
    processor = AutoImageProcessor.from_pretrained(folder)
    assert type(processor) is family.processor_class()
    side = processor.size["height"]
    assert processor(PICTURE, return_tensors="pt")["pixel_values"].shape[2:] == (side, side)
    pipe = transformers.pipeline("image-classification", model=str(folder), image_processor=processor)
    assert sorted(answer["label"] for answer in pipe(PICTURE, top_k=3)) == LABELS


def test_own_names_are_no_names_of_transformers(family):
    names = {family.config_class().__name__} | {family.model_class(key).__name__ for key in family.declaration.models}
    assert family.processor_class().__name__ not in transformers.__all__
    if not family.declaration.is_builtin:
        assert not names & set(transformers.__all__)
        assert family.model_type not in CONFIG_MAPPING_NAMES


def test_backbone_of_a_classifier_computes_the_same_maps_without_a_word(folder, caplog):
    with caplog.at_level(logging.INFO):
        backbone = tsugiki.load(folder, task="backbone", out_indices=[0, 1])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert not backbone.training
    model = tsugiki.load(folder)
    maps = backbone(pictures(model)).feature_maps
    hidden = model(pictures(model), output_hidden_states=True).hidden_states
    assert [map.shape[1] for map in maps] == backbone.channels
    for ours, expected in zip(maps, hidden, strict=False):
        assert torch.equal(ours.flatten(), expected.flatten())


def test_base_model_of_a_classifier(folder):
    base, model = tsugiki.load(folder, task="base"), tsugiki.load(folder)
    trunk = getattr(model, model.base_model_prefix)
    assert all(torch.equal(a, b) for a, b in zip(base.parameters(), trunk.parameters(), strict=True))


def test_gives_what_from_pretrained_gives(folder):
    ours = tsugiki.load(folder)
    theirs = type(ours).from_pretrained(folder).eval()
    inputs = pictures(ours)
    with torch.inference_mode():
        assert torch.equal(ours(inputs).logits, theirs(inputs).logits)
    assert ours.config.to_dict() == theirs.config.to_dict()


def test_pipeline_answers_as_model_and_processor_do(folder):
    model, processor = tsugiki.load(folder), tsugiki.load_processor(folder)
    assert model(**processor([PICTURE, Image.new("L", (9, 9))], return_tensors="pt")).logits.shape == (2, len(LABELS))
    answers = tsugiki.pipeline(folder)([PICTURE, PICTURE.rotate(90)], top_k=3)
    with torch.inference_mode():
        scores = model(**processor([PICTURE, PICTURE.rotate(90)], return_tensors="pt")).logits.softmax(dim=1)
    for answer, row in zip(answers, scores, strict=True):
        found = {entry["label"]: entry["score"] for entry in answer}
        assert found == pytest.approx(dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-5)


def test_stages_and_head_hold_every_parameter_once(family, folder):
    model = tsugiki.load(folder)
    stages = check_stages(model)
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    held += [id(parameter) for parameter in head_of(model)[1].parameters()]
    assert len(stages) == STAGES[family.name]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_logits_from_cached_features_are_those_of_the_network(folder):
    model = tsugiki.load(folder)
    table = transfer_data.table(3, classes=3, channels=model.config.num_channels)
    with torch.inference_mode():
        logits = model(**table.batch(range(len(table)))).logits
        torch.testing.assert_close(head_of(model)[1](head_features(model, table)), logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), [("lenet", 1), ("cifar-resnet", 3)])
def test_decoding_once_and_normalising_equal_the_processor(name, channels):
    processor = (
        registry()
        .family(name)
        .processor_class()(
            size={"height": 24, "width": 20},
            image_mean=[0.4, 0.5, 0.6][:channels],
            image_std=[0.2, 0.3, 0.25][:channels],
        )
    )
    photographs = [PICTURE, PICTURE.resize((20, 24)), PICTURE.resize((64, 16))]
    decoded = decode_images(photographs, processor)
    assert (decoded.dtype, decoded.shape) == (torch.uint8, (3, channels, 24, 20))
    ours = Normalize.from_processor(processor)({"pixel_values": decoded})["pixel_values"]
    theirs = processor(images=photographs, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_clips_are_tabled_and_answered_as_their_processor_prepares_them():
    task, family = task_named("video-classification"), registry().family("conv3d")
    sizes = {"channels": [3], "kernel_sizes": [[3, 3]], "strides": [[1, 1]], "poolings": [[1, 2]]}
    labels = task.config_fields(["left", "right"])
    model = tsugiki.create_model("conv3d", image_size=6, num_frames=3, **sizes, **labels).eval()
    processor = family.processor_class()(
        size={"height": 6, "width": 6}, num_frames=3, image_mean=[0.4], image_std=[0.2]
    )
    clips = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6), dtype=np.uint8)
    prepared = processor(list(clips), return_tensors="pt")["pixel_values"]
    picture_lists = [[Image.fromarray(frame) for frame in clip] for clip in clips]
    for feature, rows in ((Array3D((3, 6, 6), "uint8"), clips), (datasets.List(datasets.Image()), picture_lists)):
        features = Features({"frames": feature, "label": ClassLabel(names=["left", "right"])})
        table = task.table(Dataset.from_dict({"frames": rows, "label": [0, 1, 1, 0]}, features=features), processor)
        torch.testing.assert_close(table.batch(range(4))["pixel_values"], prepared, rtol=0, atol=1e-5)
    answers = task.predict(model, processor, [clips[0], list(clips[1])], top_k=1)
    scores, numbers = model(prepared[:2]).logits.softmax(1).max(1)
    assert [answer[0]["label"] for answer in answers] == [model.config.id2label[label] for label in numbers.tolist()]
    assert [answer[0]["score"] for answer in answers] == pytest.approx(scores.tolist(), abs=1e-5)


def test_recordings_are_answered_alike_in_every_form_and_by_the_pipeline(tmp_path):
    task, family = task_named("audio-classification"), registry().family("conv1d")
    sizes = {"channels": [4], "kernel_sizes": [8], "strides": [2], "poolings": [2]}
    model = tsugiki.create_model("conv1d", **sizes, **task.config_fields(["low", "high"])).eval()
    processor = family.processor_class()(sampling_rate=8000, num_samples=64)
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(np.arange(50) / 4), 8000, format="FLAC")
    (tmp_path / "a.flac").write_bytes(file.getvalue())
    samples, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    data = Dataset.from_dict({"file": [str(tmp_path / "a.flac")] * 2, "label": ["low", "high"]})
    values = task.table(data, processor, {"audio": "file"}).columns["input_values"]
    assert torch.equal(values[0], processor(samples, return_tensors="pt")["input_values"][0])
    answers = task.predict(model, processor, [tmp_path / "a.flac", file.getvalue(), samples])
    assert answers[0] == answers[1] == answers[2]
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    piped = tsugiki.pipeline(tmp_path / "model", "audio-classification")(samples)
    assert [one["label"] for one in piped] == [one["label"] for one in answers[0]]
    assert [one["score"] for one in piped] == pytest.approx([one["score"] for one in answers[0]])
