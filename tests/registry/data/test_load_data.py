"""Data sets by name, mirror, folder and object; fingerprints of content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value, concatenate_datasets
from PIL import Image as Pillow
from tsugiki.data.load_data import load_split, splits
from tsugiki.errors import DataError
from tsugiki.fingerprint import content_fingerprint, tensors_fingerprint


@pytest.fixture
def numbers() -> Dataset:
    return Dataset.from_dict({"text": [f"row {i}" for i in range(20)], "label": [i % 2 for i in range(20)]})


@pytest.fixture
def class_folders(tmp_path):
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(3):
                Pillow.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_class_folders_become_labels(class_folders):
    assert splits(class_folders) == ["train", "test"]
    train = load_split(class_folders, "train")
    assert train.features["label"].names == ["cat", "dog"]
    assert len(train) == 6


def test_files_folders_and_objects(tmp_path, numbers):
    numbers.to_parquet(tmp_path / "a.parquet")
    numbers.to_csv(tmp_path / "a.csv")
    numbers.save_to_disk(tmp_path / "disk")
    for data in (tmp_path / "a.parquet", tmp_path / "a.csv", tmp_path / "disk", numbers, DatasetDict(train=numbers)):
        assert load_split(data, None)["text"][:2] == ["row 0", "row 1"]


def test_the_mirror_is_asked_first(tmp_path, numbers, monkeypatch):
    folder = tmp_path / "mirror" / "org" / "name" / "data"
    folder.mkdir(parents=True)
    numbers.to_parquet(folder / "train-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    assert len(load_split("org/name", "train")) == 20
    with pytest.raises(DataError, match=r"no split 'trian', only train\. Did you mean 'train'\?"):
        load_split("org/name", "trian")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("tsugiki/no_such_set", "is not on the Hub; put it under a folder .* TSUGIKI_DATASETS. It comes from the moon"),
        ("org/no-such-set", "neither in the mirror .* nor reachable on the Hub"),
        ("./no/such/folder", "neither a file, a folder nor a Hub id"),
        ("../../etc", "neither a file, a folder nor a Hub id"),
    ],
)
def test_missing_data_is_one_clear_error(data, message, monkeypatch, tmp_path):
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        load_split(data, "train", source="the moon")


def test_broken_files_are_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as a data set"):
        load_split(tmp_path / "a.parquet", None)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="must end in"):
        load_split(tmp_path / "a.txt", None)
    with pytest.raises(DataError, match="not int"):
        load_split(3, None)


def test_an_empty_class_folder_is_named(class_folders):
    (class_folders / "train" / "fox").mkdir()
    with pytest.raises(DataError, match=r"fox is empty; add examples or remove it"):
        load_split(class_folders, "train")


def test_several_splits_need_a_name(numbers):
    with pytest.raises(DataError, match="has the splits a, b; name one"):
        load_split(DatasetDict(a=numbers, b=numbers), None)


def test_fingerprint_follows_content_alone(tmp_path, numbers):
    fingerprint = content_fingerprint(numbers)
    numbers.to_parquet(tmp_path / "a.parquet")
    assert content_fingerprint(load_split(tmp_path / "a.parquet", None)) == fingerprint
    assert (
        content_fingerprint(concatenate_datasets([numbers.select(range(7)), numbers.select(range(7, 20))]))
        == fingerprint
    )
    assert content_fingerprint(numbers.select_columns(["label", "text"])) == fingerprint
    assert content_fingerprint(numbers.select(range(19))) != fingerprint
    assert content_fingerprint(numbers.shuffle(seed=1)) != fingerprint
    assert content_fingerprint(numbers.rename_column("text", "words")) != fingerprint


def test_fingerprint_of_pictures_follows_their_bytes(class_folders, tmp_path):
    train = load_split(class_folders, "train")
    fingerprint = content_fingerprint(train)
    train.to_parquet(tmp_path / "photos.parquet")
    assert content_fingerprint(load_split(tmp_path / "photos.parquet", None)) == fingerprint
    path = next((class_folders / "train" / "cat").iterdir())
    Pillow.new("RGB", (8, 8)).save(path)
    assert content_fingerprint(load_split(class_folders, "train")) != fingerprint


def test_fingerprint_of_tensors():
    import torch

    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(1.0, dtype=torch.bfloat16)}
    fingerprint = tensors_fingerprint(tensors)
    assert tensors_fingerprint({name: tensors[name].clone() for name in reversed(tensors)}) == fingerprint
    assert tensors_fingerprint({**tensors, "a": tensors["a"].view(3, 2)}) != fingerprint
    assert tensors_fingerprint({**tensors, "a": tensors["a"].T.contiguous().T}) == fingerprint
    changed = tensors["a"].clone()
    changed[0, 0] += 1e-6
    assert tensors_fingerprint({**tensors, "a": changed}) != fingerprint


def test_features_of_a_folder_hold_images(class_folders):
    features = load_split(class_folders, "train").features
    assert isinstance(features["image"], Image) and isinstance(features["label"], ClassLabel)
    assert Features({"a": Value("int64")}) != features


def test_a_folder_that_changed_and_another_of_its_name_give_their_own_rows(tmp_path: Path) -> None:
    """With `configs:` in a README, `datasets` caches by the folder's last name alone."""
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.csv\n---\n"
    for place, value in (("one", 1), ("other", 2)):
        folder = tmp_path / place / "petals"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(card)
        (folder / "train.csv").write_text(f"width\n{value}\n")
        assert load_split(str(folder), "train")["width"] == [value]
    (folder / "train.csv").write_text("width\n3\n4\n")
    assert load_split(str(folder), "train")["width"] == [3, 4]
