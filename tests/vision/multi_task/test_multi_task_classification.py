from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
import tsugiki
from datasets import ClassLabel, Dataset, Features, Image, Value
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.picture_processing import BackboneImageProcessor
from tsugiki.predictions import Predictions
from tsugiki_vision.multi_task.multi_task import MultiTaskConfig, MultiTaskForImageClassification
from tsugiki_vision.multi_task.multi_task_classification import MultiTaskImageClassification, logits_by_task

PROCESSOR = BackboneImageProcessor(size={"height": 16, "width": 16})
NAMES = ["animal: cat", "animal: dog", "animal: fox", "wild: no", "wild: yes"]
MISSING = -100


def animals(animal=(0, None, 1, 2), wild=(0, 1, None, -1)) -> Dataset:
    features = {"image": Image(), "animal": ClassLabel(names=["cat", "dog", "fox"])}
    features["wild"] = ClassLabel(names=["no", "yes"])
    rows = {"image": [PIL.Image.new("L", (16, 16), 10 * n) for n in range(len(animal))], "animal": animal, "wild": wild}
    return Dataset.from_dict(rows, features=Features(features))


@pytest.fixture
def task() -> MultiTaskImageClassification:
    return MultiTaskImageClassification()


@pytest.fixture
def model(task) -> MultiTaskForImageClassification:
    torch.manual_seed(0)
    backbone = {"model_type": "tsugiki_lenet", "image_size": 16, "conv_channels": [2, 3], "hidden_sizes": [5]}
    config = MultiTaskConfig(backbone_config=backbone, **task.config_fields(NAMES))
    return MultiTaskForImageClassification(config).eval()


def test_every_column_of_classes_is_a_task(task):
    columns = task.columns(animals())
    assert columns == {"image": "image", "animal": "animal", "wild": "wild"}
    assert task.label_names(animals(), columns) == NAMES


def test_tasks_may_be_named(task):
    data = animals().add_column("text", ["b", "a", None, "a"])
    columns = task.columns(data, {"letter": "text"})
    assert columns == {"image": "image", "letter": "text"}
    table = task.table(data, PROCESSOR, columns)
    assert table.labels.tolist() == [[1], [0], [MISSING], [0]]


def test_missing_labels_are_marked_and_others_matched_by_name(task):
    assert task.table(animals(), PROCESSOR).labels.tolist() == [[0, 0], [MISSING, 1], [1, MISSING], [2, MISSING]]
    other = ["wild: yes", "wild: no", "animal: fox", "animal: dog", "animal: cat"]
    labels = task.table(animals(), PROCESSOR, label_names=other).labels
    assert labels.tolist() == [[1, 2], [0, MISSING], [MISSING, 1], [MISSING, 0]]


def test_minus_one_hundred_and_null_are_the_same(task):
    rows = {"image": animals()["image"][:], "wild": [0, MISSING, 1, None]}
    data = Dataset.from_dict(rows, features=Features({"image": Image(), "wild": Value("int64")}))
    assert task.table(data, PROCESSOR, {"wild": "wild"}).labels.flatten().tolist() == [0, MISSING, 1, MISSING]


def test_class_that_nobody_knows_is_named(task):
    with pytest.raises(DataError, match="task 'animal': no row of column 'animal' is known to be 'dog'"):
        task.table(animals(animal=(0, 2, 0, None)), PROCESSOR)


def test_task_without_a_column_is_named(task):
    with pytest.raises(DataError, match="no column for the model's task 'wild', only for 'animal'"):
        task.table(animals().remove_columns("wild"), PROCESSOR, label_names=NAMES)


def test_class_that_the_model_does_not_know_is_named(task):
    with pytest.raises(DataError, match="task 'animal': 'fox' of column 'animal' is unknown to the model"):
        task.table(animals(), PROCESSOR, label_names=["animal: cat", "animal: dog", "wild: no", "wild: yes"])


def test_data_without_tasks_says_what_it_has(task):
    with pytest.raises(DataError, match="no column of classes"):
        task.columns(animals().select_columns("image"))


def test_logits_are_padded_so_that_no_padding_is_ever_the_answer():
    padded = logits_by_task(torch.tensor([[-9.0, -8.0, -7.0, -6.0, -5.0]]), [3, 2])
    assert padded.tolist() == [[[-9.0, -8.0, -7.0], [-6.0, -5.0, -float("inf")]]]
    torch.testing.assert_close(padded.softmax(-1).sum(-1), torch.ones(1, 2))


def predictions(answers, labels) -> Predictions:
    logits = np.full((len(answers), 2, 3), -np.inf, dtype=np.float32)
    for row, row_answers in enumerate(answers):
        for task, answer in enumerate(row_answers):
            logits[row, task, : (3, 2)[task]] = 0
            logits[row, task, answer] = 1
    return Predictions(logits, np.array(labels))


def test_accuracy_is_the_mean_over_tasks_of_known_labels(task):
    found = predictions([[0, 0], [1, 1], [2, 0], [0, 0]], [[0, 0], [MISSING, 0], [0, MISSING], [1, 0]])
    metrics = task.metrics(found)
    assert metrics["accuracy_1"].value == pytest.approx(1 / 3) and metrics["accuracy_1"].n == 3
    assert metrics["accuracy_2"].value == pytest.approx(2 / 3)
    assert metrics["accuracy"].value == pytest.approx(1 / 2) and metrics["accuracy"].n == 6
    assert metrics["accuracy"].low <= 1 / 2 <= metrics["accuracy"].high


def test_metrics_carry_the_names_of_the_tasks(task, model):
    table = task.table(animals(), PROCESSOR, label_names=NAMES)
    found = predict_table(model, table, task=task)
    assert found.outputs.shape == (4, 2, 3)
    assert set(task.metrics(found)) == {"accuracy", "accuracy_animal", "accuracy_wild"}
    assert set(MultiTaskImageClassification().metrics(found)) == {"accuracy", "accuracy_1", "accuracy_2"}


def test_row_is_right_when_all_of_its_known_labels_are_met(task):
    found = predictions([[0, 0], [1, 1], [2, 0], [0, 0]], [[0, 0], [MISSING, 0], [2, MISSING], [MISSING, MISSING]])
    assert task.correct(found).tolist() == [True, False, True, True]


def test_task_without_known_labels_is_not_measured(task):
    metrics = task.metrics(predictions([[0, 0], [1, 1]], [[0, MISSING], [0, MISSING]]))
    assert set(metrics) == {"accuracy", "accuracy_1"}
    assert metrics["accuracy"].value == 0.5


def test_draws_a_bar_a_task(task, tmp_path):
    table = task.table(animals(), PROCESSOR)
    found = predictions([[0, 0], [1, 1], [2, 0], [0, 0]], table.labels.numpy())
    (picture,) = task.figures(found, table, tmp_path, label_names=NAMES)
    assert (tmp_path / picture.file).is_file()


def test_predict_answers_task_after_task(task, model):
    (answer,) = task.predict(model, PROCESSOR, [PIL.Image.new("RGB", (20, 20), "red")], top_k=2)
    assert [entry["label"].partition(": ")[0] for entry in answer] == ["animal", "animal", "wild", "wild"]
    assert answer[0]["score"] >= answer[1]["score"]
    assert answer[2]["score"] + answer[3]["score"] == pytest.approx(1)
    with pytest.raises(OptionError, match="top_k must be at least 1"):
        task.predict(model, PROCESSOR, [], top_k=0)


def test_pipeline_gives_the_likeliest_classes_of_every_task(task, model, tmp_path):
    model.save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    picture = PIL.Image.new("L", (16, 16), 200)
    answers = tsugiki.pipeline(str(tmp_path), "multi-task-image-classification")([picture, picture], top_k=2)
    (expected,) = task.predict(model, PROCESSOR, [picture], top_k=2)
    assert answers[0] == answers[1] and list(answers[0]) == ["animal", "wild"]
    flat = [(f"{name}: {one['label']}", one["score"]) for name, ones in answers[0].items() for one in ones]
    assert [label for label, _ in flat] == [one["label"] for one in expected]
    assert [score for _, score in flat] == pytest.approx([one["score"] for one in expected], abs=1e-5)


@pytest.mark.parametrize(("mean", "channels"), [([0.5], 1), ([0.1, 0.2, 0.3], 3)])
def test_processor_has_as_many_channels_as_means(mean, channels):
    processor = BackboneImageProcessor(size={"height": 4, "width": 4}, image_mean=mean, image_std=mean)
    for mode in ("L", "RGB"):
        assert processor(PIL.Image.new(mode, (5, 5)), return_tensors="pt")["pixel_values"].shape == (1, channels, 4, 4)


def test_fine_tuning_goes_on_with_the_same_tasks_and_gives_heads_to_others(model, tmp_path):
    for part in (model, PROCESSOR):
        part.save_pretrained(tmp_path / "base")
    data = animals(animal=(0, None, 1, 2) * 5, wild=(0, 1, None, -1) * 5)
    options = {"max_steps": 2, "learning_rate": 1e-2, "depth": "head", "progress": False}
    same = tsugiki.finetune(tmp_path / "base", data, output_dir=tmp_path / "same", **options)
    assert "its training goes on" in str(same.report)
    assert same.model.config.tasks == model.config.tasks
    assert same.report.augmentation  # the classes of a shifted picture are its own
    # Of the same data only one of the tasks: another model, which is not asked for the other any more.
    wild = data.remove_columns("animal")
    other = tsugiki.finetune(tmp_path / "base", wild, output_dir=tmp_path / "other", **options)
    assert "a new head for the labels 'wild: no', 'wild: yes'" in str(other.report)
    assert other.model.config.tasks == {"wild": ["no", "yes"]}
    assert set(other.metrics) == {"accuracy", "accuracy_wild"}
    before, after = model.backbone.state_dict(), other.model.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
