from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from sklearn.metrics import confusion_matrix
from tsugiki.predictions import Predictions
from tsugiki.tasks.confusion_matrix import confusion_counts, draw_confusion_matrix
from tsugiki.tasks.image_classification import ImageClassification
from tsugiki.tasks.worst_mistakes import draw_worst_mistakes, worst_mistakes
from tsugiki.tensor_table import TensorTable


def random_predictions(rows: int, classes: int, certainty: float = 2.0) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes)).astype(np.float32)
    logits[np.arange(rows), labels] += certainty
    return Predictions(logits, labels)


def random_pictures(rows: int, channels: int) -> torch.Tensor:
    return torch.randint(0, 256, (rows, channels, 8, 8), dtype=torch.uint8)


def test_confusion_counts_equal_scikit_learn():
    predictions = random_predictions(200, 5)
    answers = predictions.outputs.argmax(axis=1)
    expected = confusion_matrix(predictions.labels, answers, labels=range(5))
    np.testing.assert_array_equal(confusion_counts(predictions.labels, answers, 5), expected)


def test_worst_mistakes_are_wrong_and_surest_first():
    logits = np.array([[9, 0], [0, 9], [0, 1], [3, 0]], dtype=np.float32)
    rows, probabilities = worst_mistakes(Predictions(logits, np.array([0, 0, 0, 1])), most=2)
    assert rows.tolist() == [1, 3]
    assert probabilities == pytest.approx([1 / (1 + np.exp(-9)), 1 / (1 + np.exp(-3))])


@pytest.mark.parametrize("channels", [1, 3], ids=["gray", "color"])
def test_task_draws_both_pictures(channels, tmp_path):
    predictions = random_predictions(60, 4, certainty=0)
    names = ["cat", "dog $5 and $6", "a name that is far too long for a tick", "fox"]
    table = TensorTable({"pixel_values": random_pictures(60, channels), "labels": torch.from_numpy(predictions.labels)})
    pictures = ImageClassification().figures(predictions, table, tmp_path, label_names=names)
    assert [one.file for one in pictures] == ["confusion_matrix.png", "worst_mistakes.png"]
    assert pictures[0].caption.startswith("Confusion matrix over 60 pictures")
    assert pictures[1].caption.startswith("The 24 wrong answers")
    for one in pictures:
        with PIL.Image.open(tmp_path / one.file) as drawn:
            assert min(drawn.size) > 300
            assert len(drawn.convert("L").getcolors()) > 10


def test_matrix_of_many_classes_shows_those_with_most_mistakes(tmp_path):
    few = draw_confusion_matrix(random_predictions(300, 30), [str(n) for n in range(30)], tmp_path)
    assert "Shown are" not in few.caption
    many = draw_confusion_matrix(random_predictions(300, 40), [str(n) for n in range(40)], tmp_path)
    assert many.caption.endswith("Shown are the 30 of 40 classes with most mistakes.")


def test_class_without_rows_leaves_an_empty_row(tmp_path):
    predictions = random_predictions(20, 2)
    logits = np.pad(predictions.outputs, ((0, 0), (0, 1)), constant_values=-9)
    draw_confusion_matrix(Predictions(logits, predictions.labels), ["a", "b", "c"], tmp_path)
    assert (tmp_path / "confusion_matrix.png").exists()


def test_one_mistake_is_a_grid_of_one(tmp_path):
    logits = np.array([[1, 0], [0, 1]], dtype=np.float32)
    drawn = draw_worst_mistakes(Predictions(logits, np.array([0, 0])), random_pictures(2, 1), ["a", "b"], tmp_path)
    assert drawn is not None
    assert drawn.caption.startswith("The wrong answer of")


def test_no_mistake_is_no_picture(tmp_path):
    logits = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert (
        draw_worst_mistakes(Predictions(logits, np.array([0, 1])), random_pictures(2, 1), ["a", "b"], tmp_path) is None
    )
    assert list(tmp_path.iterdir()) == []


def test_same_result_is_the_same_file(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        draw_confusion_matrix(random_predictions(50, 3), ["x", "y", "z"], tmp_path / folder)
    assert (tmp_path / "a/confusion_matrix.png").read_bytes() == (tmp_path / "b/confusion_matrix.png").read_bytes()
