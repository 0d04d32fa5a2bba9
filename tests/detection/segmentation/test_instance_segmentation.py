"""The instance segmenter from data to pictures, on discs that a network without luck finds by their light."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import torch
import tsugiki
from PIL import Image
from tsugiki.evaluation.evaluate import predict_table
from tsugiki_detection.segmentation.instance_grouping import find_instances
from tsugiki_detection.segmentation.instance_image_processor import InstanceImageProcessor
from tsugiki_detection.segmentation.instance_segmentation import InstanceSegmentation
from tsugiki_detection.segmentation.instance_unet import (
    InstanceUNetConfig,
    InstanceUNetForInstanceSegmentation,
    InstanceUNetModel,
)
from tsugiki_detection.segmentation.unet import UNetConfig, UNetModel

from ...task_labels import check_labels
from .conftest import SIDE, picture_of, two_discs, with_masks, with_objects

GRAY = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5], "image_std": [0.5]}


@pytest.fixture
def task() -> InstanceSegmentation:
    return InstanceSegmentation()


@pytest.fixture
def processor() -> InstanceImageProcessor:
    return InstanceImageProcessor(**GRAY)


@pytest.fixture
def model(task) -> InstanceUNetForInstanceSegmentation:
    """It calls bright an object, and all of a bright part warm."""
    fields = {"width": 2, "depth": 1, "num_channels": 1, "batch_norm": False, "head_size": 2, "score_threshold": 0.5}
    made = InstanceUNetForInstanceSegmentation(InstanceUNetConfig(**fields, **task.config_fields(["nucleus"])))
    for parameter in made.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        for layer in (*made.unet.encoder[0], *made.unet.decoder[0].convolutions, made.centers[0]):
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight[0, 0, 1, 1] = 1  # the first map is the picture
        made.classifier.weight[0, 0] = 8
        made.classifier.bias[0] = -1
        made.centers[3].weight[0, 0] = 8
    return made.eval()


@pytest.fixture
def snapshot(model, processor, tmp_path):
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def same_as(numbers: np.ndarray, mask: np.ndarray) -> bool:
    return all(len(np.unique(numbers[mask == value])) == 1 for value in np.unique(mask))


def test_only_the_names_of_labels_are_taken():
    check_labels(InstanceSegmentation)


def test_columns_and_classes_are_found(task, nuclei):
    columns = task.columns(nuclei)
    assert columns == {"image": "image", "mask": "mask", "objects": "objects"}
    assert task.label_names(nuclei, columns) == ["nucleus"]
    both = nuclei.map(lambda row: {"instances": row["mask"]})
    assert task.columns(both)["mask"] == "instances"


def test_a_table_holds_pictures_and_numbered_objects(task, nuclei, processor):
    table = task.table(nuclei, processor)
    assert table.columns["pixel_values"].shape == (4, 1, SIDE, SIDE)
    assert table.labels.dtype == torch.int32 and np.array_equal(table.labels[2].numpy(), two_discs(2))


def test_a_model_is_measured(task, model, nuclei, processor, tmp_path):
    table = task.table(nuclei, processor)
    predictions = predict_table(model, table, task=task)
    found = task.metrics(predictions)
    assert {found[name].value for name in ("mask_map_50", "f1_50", "pq", "mask_map")} == {1.0}
    assert task.row_scores(predictions).tolist() == [1.0] * 4
    pictures = task.figures(predictions, table, tmp_path, label_names=["nucleus"])
    assert [picture.file for picture in pictures] == ["instances.png", "precision_recall.png"]
    assert all((tmp_path / picture.file).stat().st_size > 1000 for picture in pictures)


def test_answers_are_objects_with_box_and_mask_at_the_size_of_the_picture(task, model, processor):
    mask = two_discs(1)
    picture = picture_of(mask).resize((48, 72), Image.Resampling.NEAREST)
    whole = np.kron(mask, np.ones((3, 2), np.uint8))
    (answers,) = task.predict(model, processor, [picture])
    assert [answer["label"] for answer in answers] == ["nucleus"] * 2
    assert answers[0]["score"] >= answers[1]["score"] > 0.5
    for answer in answers:
        found = np.array(Image.open(io.BytesIO(answer["mask"])))
        assert found.shape == (72, 48) and set(np.unique(found)) == {0, 255}
        assert len(np.unique(whole[found > 0])) == 1
        rows, columns = np.nonzero(found)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert list(answer["box"].values()) == [float(side) for side in box]
    (first,) = task.predict(model, processor, [picture], top_k=1)
    assert first == answers[:1]
    shown = np.array(Image.open(io.BytesIO(task.show(answers, picture))))
    changed = (shown != np.array(picture.convert("RGB"))).any(-1)
    assert changed.any() and (whole[changed] > 0).all() and len(np.unique(shown[changed], axis=0)) == 2


def test_the_processor_says_what_transformers_asks_for(model, processor):
    pictures = [picture_of(two_discs(shift)) for shift in (0, 2)]
    outputs = model(**processor(images=pictures, return_tensors="pt"))
    found = processor.post_process_instance_segmentation(outputs, threshold=0.5, target_sizes=[(30, 20), (24, 24)])
    assert found[0]["segmentation"].shape == (30, 20)
    alone = find_instances(outputs.logits[1], outputs.center_logits[1], outputs.offsets[1])
    assert np.array_equal(found[1]["segmentation"].numpy() + 1, alone.numbers)
    assert [one["id"] for one in found[1]["segments_info"]] == [0, 1]
    assert set(found[1]["segments_info"][0]) == {"id", "label_id", "was_fused", "score"}
    assert same_as(found[1]["segmentation"].numpy(), two_discs(2))
    nothing = processor.post_process_instance_segmentation(outputs, threshold=1.0)
    assert nothing[0]["segments_info"] == [] and (nothing[0]["segmentation"] == -1).all()
    with pytest.raises(ValueError, match="2 pictures and 1 target_sizes"):
        processor.post_process_instance_segmentation(outputs, target_sizes=[(4, 4)])
    kinds = [name for name in dir(processor) if name.startswith("post_process_")]
    assert kinds == ["post_process_instance_segmentation"]  # the pipeline picks by which there are


def test_the_window_of_centres_is_kept_with_the_processor(processor, model, task, nuclei, tmp_path):
    assert task.table(nuclei, processor) and task._window == 7
    wide = InstanceImageProcessor(**GRAY, center_window=15)
    wide.save_pretrained(tmp_path)
    again = InstanceImageProcessor.from_pretrained(tmp_path)
    assert again.center_window == 15
    assert task.table(nuclei, again) and task._window == 15


def test_training_sets_what_is_measured_on_rows_held_out(model, monkeypatch):
    from types import SimpleNamespace

    from tsugiki_detection.segmentation import instance_training

    monkeypatch.setattr(instance_training, "fit", lambda model, job: "fitted")
    job = SimpleNamespace(validation=None, task=SimpleNamespace(settings=lambda *_: {"score_threshold": 0.25}))
    assert instance_training.train_instance_segmenter(model, job) == "fitted"
    assert model.config.score_threshold == 0.5
    job.validation = "rows"
    instance_training.train_instance_segmenter(model, job)
    assert model.config.score_threshold == 0.25


def test_transformers_own_pipeline_loads_the_folder_without_a_complaint(snapshot, caplog):
    import transformers

    tsugiki.register()
    with caplog.at_level(logging.WARNING):
        pipe = transformers.pipeline("image-segmentation", model=str(snapshot))
        found = pipe(picture_of(two_discs(1)), subtask="instance", threshold=0.5)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [one["label"] for one in found] == ["nucleus"] * 2
    masks = sum((np.array(one["mask"]) > 0) * number for number, one in enumerate(found, 1))
    assert same_as(masks, two_discs(1))
    loaded = transformers.AutoModelForInstanceSegmentation.from_pretrained(snapshot)
    assert type(loaded).__name__ == "InstanceUNetForInstanceSegmentation"


def test_the_pipeline_by_name_asks_for_the_models_own_score(snapshot, tmp_path):
    picture_of(two_discs(1)).save(tmp_path / "discs.png")
    pipe = tsugiki.pipeline(snapshot, "instance-segmentation")
    found = pipe(str(tmp_path / "discs.png"))
    assert len(found) == 2 and found[0]["mask"].size == (SIDE, SIDE)
    pipe.model.config.score_threshold = 1.0
    assert pipe(str(tmp_path / "discs.png")) == []


@pytest.mark.parametrize("size", [(16, 24), (17, 31), (1, 1)])
def test_every_pixel_of_a_picture_of_any_size_is_answered(size):
    config = InstanceUNetConfig(width=4, depth=2, num_labels=3)
    found = InstanceUNetForInstanceSegmentation(config).eval()(torch.randn(2, 3, *size))
    assert found.logits.shape == (2, 4, *size)
    assert found.center_logits.shape == (2, *size) and found.offsets.shape == (2, 2, *size)


def test_the_body_is_the_u_net():
    torch.manual_seed(0)
    sizes = {"width": 4, "depth": 2}
    own, other = InstanceUNetModel(InstanceUNetConfig(**sizes)).eval(), UNetModel(UNetConfig(**sizes)).eval()
    own.load_state_dict(other.state_dict())
    picture = torch.randn(1, 3, 9, 11)
    assert torch.equal(own(picture).last_hidden_state, other(picture).last_hidden_state)


def test_it_learns_to_tell_discs_that_touch_apart():
    torch.manual_seed(0)
    mask = np.zeros((24, 32), np.int64)
    rows, columns = np.mgrid[:24, :32]
    for number, x in ((1, 10), (2, 20)):
        mask[((rows - 12) ** 2 + (columns - x) ** 2 < 36) & (mask == 0)] = number
    labels = torch.from_numpy(mask)[None]
    picture = (labels > 0).float()[:, None]
    config = InstanceUNetConfig(width=8, depth=2, num_channels=1, num_labels=1, head_size=8)
    model = InstanceUNetForInstanceSegmentation(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        model(picture, labels=labels).loss.backward()
        optimizer.step()
    with torch.no_grad():
        output = model(picture)  # as it learnt, for its averages are of few steps
    found = find_instances(output.logits[0], output.center_logits[0], output.offsets[0])
    numbers = found.at_least(0.3).numbers
    overlaps = [(mask == one) & (numbers == other) for one in (1, 2) for other in (1, 2)]
    assert numbers.max() == 2 and max(overlaps[0].sum(), overlaps[1].sum()) > 0.9 * (mask == 1).sum()


@pytest.mark.parametrize(
    "field", [{"head_size": 0}, {"center_spread": 0}, {"offset_weight": -1}, {"score_threshold": 2}, {"depth": 0}]
)
def test_settings_that_teach_nothing_are_refused(field):
    with pytest.raises(Exception, match=next(iter(field))):
        InstanceUNetConfig(**field)


def test_the_score_to_ask_for_is_measured(task, processor, model):
    from tsugiki_detection.detectors.found_objects import best_threshold, match_all
    from tsugiki_detection.segmentation.instance_scores import objects_of

    data = with_objects([two_discs(shift) for shift in range(3)], [[0, 0]] * 3, ["nucleus"])
    table = task.table(data, processor)
    threshold = task.settings(model, table)["score_threshold"]
    matches = match_all(*objects_of(predict_table(model, table, task=task), 1), 0.5)
    assert threshold == round(best_threshold(matches)[0], 4) and 0 < threshold < 1


def test_masks_without_a_column_of_objects_are_of_one_class(task, processor):
    data = with_masks([Image.fromarray(two_discs(0))])
    assert task.label_names(data, task.columns(data)) == ["object"]
    assert task.table(data, processor).labels.max() == 2


@pytest.mark.data("tsugiki/nuclei")
def test_nuclei_are_numbered_as_their_masks(task):
    from datasets import Image as ImageFeature
    from tsugiki.data.load_data import load_split

    data = load_split("tsugiki/nuclei", "validation").select(range(2))
    table = task.table(data, InstanceImageProcessor())
    assert task.label_names(data, task.columns(data)) == ["nucleus"]
    masks = data.cast_column("mask", ImageFeature())["mask"]
    assert np.array_equal(table.labels.numpy(), np.stack([np.array(mask) for mask in masks]))
