from __future__ import annotations

import io

import datasets
import numpy as np
import PIL.Image
import pytest
from tsugiki.data.load_data import load_split, splits
from tsugiki_vision.multi_task import multitask_fashion as fashion_tasks
from tsugiki_vision.multi_task.multitask_fashion import KINDS, TASKS, make_multitask_fashion

ROWS = 2000


@pytest.fixture
def clothes(monkeypatch) -> datasets.Dataset:
    """A made-up Fashion-MNIST behind the name of the source: pictures whose first row is bright."""
    picture = np.zeros((28, 28), np.uint8)
    picture[0] = 255
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(KINDS))})
    rows = {"image": [picture] * ROWS, "label": [number % 10 for number in range(ROWS)]}
    source = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(fashion_tasks, "load_split", lambda name, split: source)
    return source


def columns(split: str) -> dict[str, list]:
    data = make_multitask_fashion(split)
    return {task: data[task][:] for task in TASKS}


def test_half_of_the_training_labels_are_missing_each_drawn_apart(clothes):
    known = np.array([[value is not None for value in values] for values in columns("train").values()]).T
    four_errors = 4 * 0.5 / np.sqrt(ROWS)
    assert np.abs(known.mean(axis=0) - 0.5).max() < four_errors
    assert np.abs(np.corrcoef(known.T) - np.eye(4)).max() < 4 / np.sqrt(ROWS)
    assert known.any(axis=1).mean() == pytest.approx(15 / 16, abs=0.03)


def test_test_labels_are_complete(clothes):
    assert all(None not in values for values in columns("test").values())


def test_known_labels_follow_from_the_kind(clothes):
    found = columns("test")
    worn = {TASKS["kind"][k]: TASKS["worn_on"][w] for k, w in zip(found["kind"], found["worn_on"], strict=True)}
    assert (worn["Coat"], worn["Trouser"], worn["Sandal"], worn["Bag"]) == ("torso", "legs", "feet", "hand")
    cold = {KINDS[k] for k, c in zip(found["kind"], found["for_cold"], strict=True) if c}
    assert cold == {"Pullover", "Coat", "Ankle boot"}
    for task in ("worn_on", "for_cold"):
        assert len({(k, v) for k, v in zip(found["kind"], found[task], strict=True)}) == 10


def test_upside_down_says_how_the_picture_stands_and_nothing_of_the_kind(clothes):
    data = make_multitask_fashion("test")
    turned = np.array(data["upside_down"][:])
    for row in range(0, ROWS, 211):
        assert np.asarray(data[row]["image"])[-1 if turned[row] else 0].min() == 255
    by_kind = [turned[np.array(data["kind"][:]) == kind].mean() for kind in range(10)]
    assert np.abs(np.array(by_kind) - 0.5).max() < 4 * 0.5 / np.sqrt(ROWS / 10)


def test_pictures_are_plain_pixels_in_a_file_of_their_own(clothes):
    encoded = make_multitask_fashion("test").cast_column("image", datasets.Image(decode=False))[0]["image"]
    assert encoded["bytes"].startswith(b"P5\n28 28\n255\n") and len(encoded["bytes"]) == 13 + 28 * 28
    assert PIL.Image.open(io.BytesIO(encoded["bytes"])).size == (28, 28)


def test_rows_do_not_depend_on_others(clothes, monkeypatch):
    whole = columns("train")
    monkeypatch.setattr(fashion_tasks, "load_split", lambda name, split: clothes.select(range(9)))
    assert columns("train") == {task: values[:9] for task, values in whole.items()}


def test_data_set_is_found_by_its_name(clothes):
    assert splits("tsugiki/multitask_fashion") == ["train", "test"]
    assert len(load_split("tsugiki/multitask_fashion", "test")) == ROWS
