from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Image as ImageFeature
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, jaccard_score
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki_detection.segmentation.semantic_image_processor import SemanticImageProcessor
from tsugiki_detection.segmentation.semantic_segmentation import SemanticSegmentation
from tsugiki_detection.segmentation.unet import UNetConfig, UNetForSemanticSegmentation

from ...task_labels import check_labels
from .conftest import SIDE, picture_of, two_discs, with_masks

GRAY = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5], "image_std": [0.5]}
NAMES = ["background", "nucleus"]


@pytest.fixture
def task() -> SemanticSegmentation:
    return SemanticSegmentation()


@pytest.fixture
def model(task) -> UNetForSemanticSegmentation:
    """It calls bright what is bright."""
    torch.manual_seed(0)
    fields = task.config_fields(NAMES)
    made = UNetForSemanticSegmentation(UNetConfig(width=2, depth=1, num_channels=1, batch_norm=False, **fields))
    for parameter in made.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        made.unet.encoder[0][0].weight[0, 0, 1, 1] = 1  # the first map is the picture
        made.unet.encoder[0][2].weight[0, 0, 1, 1] = 1
        made.unet.decoder[0].convolutions[0].weight[0, 0, 1, 1] = 1
        made.unet.decoder[0].convolutions[2].weight[0, 0, 1, 1] = 1
        made.classifier.weight[1, 0] = 8
        made.classifier.bias[1] = -1
    return made.eval()


@pytest.fixture
def snapshot(model, tmp_path):
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    SemanticImageProcessor(**GRAY).save_pretrained(folder)
    return folder


def random_answers(rows: int = 5, classes: int = 4) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, (rows, 9, 7))
    answers = np.where(generator.random(labels.shape) < 0.6, labels, generator.integers(0, classes, labels.shape))
    labels = labels.astype(np.uint8)
    labels[:, :2, :3] = 255
    return Predictions(list(answers.astype(np.uint8)), labels)


def test_only_the_names_of_labels_are_taken():
    check_labels(SemanticSegmentation)


def test_columns_are_found_and_objects_are_one(task, nuclei):
    assert task.columns(nuclei) == {"image": "image", "mask": "mask", "objects": "objects"}
    plain = nuclei.remove_columns("objects").rename_column("mask", "annotation")
    assert task.columns(plain) == {"image": "image", "mask": "annotation"}
    other = nuclei.rename_column("objects", "things")
    assert task.columns(other, {"objects": "things"})["objects"] == "things"
    with pytest.raises(DataError, match="has no role 'masks'"):
        task.columns(nuclei, {"masks": "mask"})
    with pytest.raises(DataError, match="not objects with their categories"):
        task.columns(nuclei, {"objects": "image"})


def test_a_table_holds_pictures_and_classes_of_8_bits(task, nuclei):
    table = task.table(nuclei, SemanticImageProcessor(**GRAY))
    assert task.label_names(nuclei, task.columns(nuclei)) == NAMES
    assert table.columns["pixel_values"].shape == (4, 1, SIDE, SIDE)
    assert table.labels.dtype == torch.uint8
    assert np.array_equal(table.labels[2].numpy(), two_discs(2) > 0)
    batch = table.batch([2])
    assert batch["pixel_values"].dtype == torch.float32 and batch["labels"].dtype == torch.uint8


def test_figures_are_those_of_scikit_learn(task):
    predictions = random_answers()
    found = task.metrics(predictions)
    labels = predictions.labels.ravel()
    known = labels != 255
    labels, answers = labels[known], np.stack(predictions.outputs).ravel()[known]
    assert found["miou"].value == pytest.approx(jaccard_score(labels, answers, average="macro"))
    assert found["dice"].value == pytest.approx(f1_score(labels, answers, average="macro"))
    assert found["pixel_accuracy"].value == pytest.approx(accuracy_score(labels, answers))
    for number, expected in enumerate(jaccard_score(labels, answers, average=None)):
        assert found[f"iou_{number}"].value == pytest.approx(expected)
    assert all(one.low < one.value < one.high for one in found.values())


def test_classes_that_are_nowhere_are_left_out(task):
    labels = np.zeros((2, 4, 4), dtype=np.uint8)
    labels[:, :2] = 3
    found = task.metrics(Predictions(list(labels.copy()), labels))
    assert {name for name in found if name.startswith("iou")} == {"iou_0", "iou_3"}
    assert found["miou"].value == 1.0


def test_rows_are_scored_by_the_classes_that_they_have(task):
    predictions = random_answers()
    scores = task.row_scores(predictions)
    for row, score in enumerate(scores):
        alone = task.metrics(predictions.select([row]))["miou"].value
        assert score == pytest.approx(alone)


def test_whoever_calls_all_background_scores_what_guess_says(task):
    labels = np.zeros((3, 6, 6), dtype=np.uint8)
    labels[:, :2] = 1
    nothing = Predictions(list(np.zeros_like(labels)), labels)
    assert task.guess(random_answers()) < 0.1
    assert task.guess(nothing) == pytest.approx(task.metrics(nothing)["miou"].value) == pytest.approx(1 / 3)


def test_a_model_is_measured_with_a_byte_a_pixel(task, model, nuclei):
    predictions = predict_table(model, task.table(nuclei, SemanticImageProcessor(**GRAY)), task=task)
    assert all(answer.dtype == np.uint8 and answer.shape == (SIDE, SIDE) for answer in predictions.outputs)
    found = task.metrics(predictions)
    assert set(found) == {"miou", "dice", "pixel_accuracy", "iou_background", "iou_nucleus"}
    assert found["miou"].value == 1.0


def test_answers_at_a_quarter_of_the_size_are_enlarged(task, nuclei):
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    torch.manual_seed(0)
    sizes = {"hidden_sizes": [8, 8], "depths": [1, 1], "num_attention_heads": [1, 1], "sr_ratios": [4, 2]}
    sizes |= {"patch_sizes": [7, 3], "strides": [4, 2], "mlp_ratios": [2, 2], "num_encoder_blocks": 2}
    other = SegformerForSemanticSegmentation(SegformerConfig(**sizes, decoder_hidden_size=8, num_labels=2))
    processor = SegformerImageProcessor(size={"height": 32, "width": 32}, do_reduce_labels=False)
    table = task.table(nuclei.map(lambda row: {"image": row["image"].convert("RGB")}), processor)
    assert table.labels.shape == (4, 32, 32)
    assert predict_table(other, table, task=task).outputs[0].shape == (32, 32)


def test_answers_name_each_class_with_its_share_and_its_mask(task, model):
    mask = two_discs(1)
    (answers,) = task.predict(model, SemanticImageProcessor(**GRAY), [picture_of(mask)])
    assert [answer["label"] for answer in answers] == NAMES
    assert answers[1]["share"] == pytest.approx((mask > 0).mean())
    assert 0.9 < answers[1]["score"] <= 1
    assert np.array_equal(np.array(Image.open(io.BytesIO(answers[1]["mask"]))) > 0, mask > 0)
    shown = Image.open(io.BytesIO(task.show(answers, picture_of(mask))))
    pixels = np.array(shown)
    assert shown.size == (SIDE, SIDE) and shown.mode == "RGB"
    assert (pixels[mask == 0] == 30).all() and (pixels[mask > 0] != 200).any()


def test_masks_have_the_size_of_the_picture(task, model):
    picture = picture_of(two_discs(1)).resize((60, 50))
    (answers,) = task.predict(model, SemanticImageProcessor(**GRAY), [picture], top_k=1)
    assert len(answers) == 1
    assert Image.open(io.BytesIO(answers[0]["mask"])).size == (60, 50)


def test_transformers_own_pipeline_loads_the_folder_without_a_complaint(snapshot, caplog):
    import transformers

    tsugiki.register()
    with caplog.at_level(logging.WARNING):
        found = transformers.pipeline("image-segmentation", model=str(snapshot))(picture_of(two_discs(1)))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [one["label"] for one in found] == NAMES
    assert np.array_equal(np.array(found[1]["mask"]) > 0, two_discs(1) > 0)


def test_the_pipeline_by_name_gives_scores_and_takes_files(snapshot, tmp_path, caplog):
    picture_of(two_discs(1)).save(tmp_path / "discs.png")
    with caplog.at_level(logging.ERROR):
        found = tsugiki.pipeline(snapshot, "semantic-segmentation")(str(tmp_path / "discs.png"))
    assert not caplog.records
    assert [one["label"] for one in found] == NAMES
    assert found[1]["score"] > 0.9 and found[1]["share"] == pytest.approx((two_discs(1) > 0).mean())
    assert found[1]["mask"].size == (SIDE, SIDE)


def test_pictures_are_drawn_from_the_worst_to_the_best(task, tmp_path):
    data = with_masks([Image.fromarray(two_discs(shift)) for shift in range(4)])
    table = task.table(data, SemanticImageProcessor(**GRAY))
    answers = [np.where(two_discs(shift) == 1, 2, 0).astype(np.uint8) for shift in range(4)]
    (picture,) = task.figures(Predictions(answers, table.labels.numpy()), table, tmp_path, label_names=list("abc"))
    assert (tmp_path / picture.file).stat().st_size > 1000 and "worst answer" in picture.caption


@pytest.mark.data("tsugiki/nuclei")
def test_nuclei_are_the_pixels_of_the_objects(task):
    from tsugiki.data.load_data import load_split

    data = load_split("tsugiki/nuclei", "validation").select(range(3))
    table = task.table(data, SemanticImageProcessor())
    assert task.label_names(data, task.columns(data)) == ["background", "nucleus"]
    masks = data.cast_column("mask", ImageFeature())["mask"]
    assert np.array_equal(table.labels.numpy(), np.stack([np.array(mask) > 0 for mask in masks]))
