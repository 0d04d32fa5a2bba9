from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki.data.load_data import load_split, splits
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.picture_processing import GrayscaleImageProcessor
from tsugiki.predictions import Predictions
from tsugiki.training.job import TrainingJob
from tsugiki_vision.unsupervised.digit_patterns import medoid
from tsugiki_vision.unsupervised.hopfield import HopfieldConfig, HopfieldForPatternRecall
from tsugiki_vision.unsupervised.hopfield_training import train_hebb
from tsugiki_vision.unsupervised.pattern_recall import DamagedBits, PatternRecall

SIDE = 16


def processor() -> GrayscaleImageProcessor:
    return GrayscaleImageProcessor(size={"height": SIDE, "width": SIDE})


def pictures(count: int = 4) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 2, (SIDE, SIDE), dtype=np.uint8) * 255) for _ in range(count)]


def dataset(draws: int | None = None) -> datasets.Dataset:
    """Four patterns, each `draws` times."""
    rows = [(number, draw) for draw in range(draws or 1) for number in range(4)]
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c", "d"])}
    columns = {"image": [pictures()[number] for number, _ in rows], "label": [number for number, _ in rows]}
    if draws:
        features["draw"] = datasets.Value("int32")
        columns["draw"] = [draw for _, draw in rows]
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture
def model(tmp_path) -> HopfieldForPatternRecall:
    task = PatternRecall()
    names = ["a", "b", "c", "d"]
    fresh = HopfieldForPatternRecall(HopfieldConfig(image_size=SIDE, **task.config_fields(names)))
    train_hebb(fresh, TrainingJob(task.table(dataset(), processor()), tmp_path))
    return fresh.eval()


def test_table_holds_the_bits_of_the_pictures():
    table = PatternRecall().table(dataset(), processor())
    expected = np.stack([np.asarray(picture) for picture in pictures()]).reshape(4, -1) // 255 * 2.0 - 1
    np.testing.assert_array_equal(table.labels.numpy(), expected)
    assert table.columns["pattern"].tolist() == [0, 1, 2, 3]


def test_three_in_ten_bits_are_damaged_and_no_row_like_another():
    table = PatternRecall().table(dataset(draws=20), processor())
    batch = table.batch(range(len(table)))
    assert set(batch) == {"pixel_values", "labels"}
    wrong = batch["pixel_values"].flatten(1) != batch["labels"]  # (80, 256)
    assert wrong.float().mean() == pytest.approx(0.3, abs=0.01)
    assert len({tuple(row) for row in wrong.tolist()}) == len(table)
    assert wrong.float().mean(0).max() < 0.6  # no bit is damaged more than others


def test_some_rows_are_damaged_as_they_are_among_all():
    task, data = PatternRecall(), dataset(draws=5)
    everything = task.table(data, processor()).batch(range(20))["pixel_values"]
    some = task.table(data.select([3, 9, 17]), processor(), label_names=["a", "b", "c", "d"])
    some = some.batch([0, 1, 2])["pixel_values"]
    assert torch.equal(some, everything[[3, 9, 17]])


def test_recall_counts_an_overlap_of_at_least_95_percent():
    labels = np.ones((3, 200), dtype=np.int64)
    states = np.ones((3, 200), dtype=np.float32)
    states[1, :5] = -1  # 2.5 % of the bits wrong: overlap 0.95
    states[2, :6] = -1
    metrics = PatternRecall().metrics(Predictions(states, labels))
    assert PatternRecall().correct(Predictions(states, labels)).tolist() == [True, True, False]
    assert metrics["recall"].value == pytest.approx(2 / 3)
    assert metrics["overlap"].value == pytest.approx((1 + 0.95 + 0.94) / 3)


def test_network_recalls_what_it_stored(model):
    task = PatternRecall()
    predictions = predict_table(model, task.table(dataset(draws=10), processor()), task=task)
    assert predictions.outputs.shape == (40, SIDE**2)
    assert task.metrics(predictions)["recall"].value > 0.9


def test_prediction_names_the_pattern_with_its_overlap(model):
    damaged = np.array(pictures()[2])
    damaged[:4] = 0
    answer = PatternRecall().predict(model, processor(), [Image.fromarray(damaged)], top_k=2)[0]
    assert answer[0] == {"label": "c", "score": pytest.approx(1.0)}
    assert len(answer) == 2
    assert PatternRecall().predict(model, processor(), []) == []
    with pytest.raises(OptionError, match="top_k must be at least 1"):
        PatternRecall().predict(model, processor(), pictures(), top_k=0)


def test_picture_shows_stored_damaged_and_recalled(model, tmp_path):
    task = PatternRecall()
    table = task.table(dataset(draws=3), processor())
    (picture,) = task.figures(predict_table(model, table, task=task), table, tmp_path, label_names=["a", "b", "c", "d"])
    with Image.open(tmp_path / picture.file) as drawn:
        assert min(drawn.size) > 200
    assert " % of their bits flipped" in picture.caption


def test_draws_must_be_numbers():
    data = dataset().add_column("draw", ["x"] * 4)
    with pytest.raises(DataError, match=r"column 'draw' .* must hold integers"):
        PatternRecall().table(data, processor())


def test_nothing_is_flipped_at_a_share_of_zero():
    table = PatternRecall().table(dataset(), processor())
    table.transform = DamagedBits(share=0.0)
    batch = table.batch(range(4))
    assert torch.equal(batch["pixel_values"].flatten(1), batch["labels"].float())


def test_medoid_is_the_picture_with_the_smallest_sum_of_distances():
    bits = np.random.default_rng(0).random((30, 5, 6)) < 0.4
    distances = (bits[:, None] != bits[None]).sum(axis=(2, 3)).sum(axis=1)
    np.testing.assert_array_equal(medoid(bits), bits[distances.argmin()])


@pytest.mark.data("ylecun/mnist")
def test_digit_patterns_are_one_digit_of_each_class_made_from_mnist():
    assert splits("tsugiki/digit_patterns") == ["train", "test"]
    train, test = (load_split("tsugiki/digit_patterns", split) for split in ("train", "test"))
    assert train["label"] == list(range(10))
    assert len(test) == 1000
    assert np.unique(np.asarray(train[3]["image"])).tolist() == [0, 255]
    np.testing.assert_array_equal(np.asarray(test[13]["image"]), np.asarray(train[3]["image"]))
