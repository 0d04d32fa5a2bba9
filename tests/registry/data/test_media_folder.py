"""Folders of pictures and recordings: whatever lies in them is read, or left out and named."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from datasets import Audio, Image
from PIL import Image as Pillow
from tsugiki import cli, heic
from tsugiki.data.load_data import file_count, load_split, splits
from tsugiki.data.media_folder import read_media_folder
from tsugiki.errors import DataError

from ..tiny_snapshots import write_snapshot


@pytest.fixture(autouse=True)
def _no_heic(monkeypatch):
    monkeypatch.setattr(heic, "find_spec", lambda name: None)


def plant(folder: Path, names: Iterable[str]) -> Path:
    """Make a tree: a name that ends in / is an empty folder, ``a -> b`` a link to b, any other a file."""
    for name in names:
        name, _, target = name.partition(" -> ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        elif name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif path.suffix.lower() in (".png", ".jpg", ".tif"):
            Pillow.new("RGB", (4, 4), (len(name), 0, 0)).save(
                path, {".png": "PNG", ".tif": "TIFF"}.get(path.suffix.lower(), "JPEG")
            )
        else:
            path.write_bytes(b"something")
    return folder


PAIR = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
IN_SPLITS = [f"{split}/{name}" for split in ("train", "test") for name in PAIR]
CAT_DOG = {"train": 4}
# name: (the tree, rows by split, classes)
TREES = {
    "plain": (PAIR, CAT_DOG, ["cat", "dog"]),
    "one class": (["cat/1.png", "cat/2.png"], {"train": 2}, ["cat"]),
    "no classes": (["1.png", "2.jpg"], {"train": 2}, None),
    "one picture": (["1.png"], {"train": 1}, None),
    "splits": (IN_SPLITS, {"train": 4, "test": 4}, ["cat", "dog"]),
    "three splits": ([*IN_SPLITS, "val/cat/1.png"], {"train": 4, "validation": 1, "test": 4}, ["cat", "dog"]),
    "valid is validation": ([*IN_SPLITS, "valid/cat/1.png"], {"train": 4, "validation": 1, "test": 4}, ["cat", "dog"]),
    "dev is validation": ([*IN_SPLITS, "dev/cat/1.png"], {"train": 4, "validation": 1, "test": 4}, ["cat", "dog"]),
    "train alone": ([f"train/{name}" for name in PAIR], CAT_DOG, ["cat", "dog"]),
    "splits without classes": (["train/1.png", "test/1.png", "test/2.png"], {"train": 1, "test": 2}, None),
    "a test of no class": (
        [*(f"train/{name}" for name in PAIR), "test/1.png"],
        {"train": 4, "test": 1},
        ["cat", "dog"],
    ),
    "a file beside the splits": ([*IN_SPLITS, "cover.png"], {"train": 4, "test": 4}, ["cat", "dog"]),
    "notes beside the splits": ([*IN_SPLITS, "notes/a.txt"], {"train": 4, "test": 4}, ["cat", "dog"]),
    "a class of its own in one split": ([*IN_SPLITS, "test/owl/1.png"], {"train": 4, "test": 5}, ["cat", "dog", "owl"]),
    "a class called train": ([*PAIR, "train/1.png"], {"train": 5}, ["cat", "dog", "train"]),
    "a class called test": ([*PAIR, "test/1.png"], {"train": 5}, ["cat", "dog", "test"]),
    "classes called dev and val": ([*PAIR, "dev/1.png", "val/1.png"], {"train": 6}, ["cat", "dev", "dog", "val"]),
    "words in files": ([*PAIR, "cat/crash test 1.jpg", "dog/train_3.png", "dog/dev.png"], {"train": 7}, ["cat", "dog"]),
    "words in classes": (
        [*PAIR, "test drive/1.png", "dog-train/1.png"],
        {"train": 6},
        ["cat", "dog", "dog-train", "test drive"],
    ),
    "words above all": ([f"my test photos/{name}" for name in PAIR], CAT_DOG, ["cat", "dog"]),
    "a folder around all": ([f"a/b/{name}" for name in PAIR], CAT_DOG, ["cat", "dog"]),
    "a folder around splits": ([f"pets/{name}" for name in IN_SPLITS], {"train": 4, "test": 4}, ["cat", "dog"]),
    "nested": (["cat/in/1.png", "cat/out/1.png", "dog/in/1.png", "dog/out/1.png"], CAT_DOG, ["cat", "dog"]),
    "nested and not": ([*PAIR, "cat/in/1.png", "dog/a/b/c/1.png"], {"train": 6}, ["cat", "dog"]),
    "nested below splits": ([*IN_SPLITS, "train/cat/in/1.png"], {"train": 5, "test": 4}, ["cat", "dog"]),
    "loose pictures": ([*PAIR, "1.png", "2.png"], CAT_DOG, ["cat", "dog"]),
    "two underscores": (
        [*PAIR, "__background__/1.png", "cat/__1__.png"],
        {"train": 6},
        ["__background__", "cat", "dog"],
    ),
    "a class of HEIC": ([*PAIR, "owl/1.HEIC", "owl/2.heic"], CAT_DOG, ["cat", "dog"]),
    "HEIC among pictures": ([*PAIR, "cat/3.HEIC"], CAT_DOG, ["cat", "dog"]),
    "raw, films and documents": ([*PAIR, "cat/3.NEF", "dog/a.mp4", "dog/b.pdf", "dog/c.mpg"], CAT_DOG, ["cat", "dog"]),
    "no suffix": ([*PAIR, "cat/IMG_0001", "LICENSE"], CAT_DOG, ["cat", "dog"]),
    "capitals": ([*PAIR, "cat/3.PNG", "dog/3.JPG", "dog/4.TIF"], {"train": 7}, ["cat", "dog"]),
    "hidden files": ([*PAIR, ".DS_Store", "cat/.DS_Store", "cat/._1.png"], CAT_DOG, ["cat", "dog"]),
    "hidden folders": ([*PAIR, ".git/config", "cat/.thumbnails/1.png", ".owl/1.png"], CAT_DOG, ["cat", "dog"]),
    "what a Mac packs": ([*PAIR, "__MACOSX/cat/._1.png"], CAT_DOG, ["cat", "dog"]),
    "a link to a file": ([*PAIR, "cat/3.png -> 1.png"], {"train": 5}, ["cat", "dog"]),
    "a link to a class": ([*PAIR, "owl -> ../store"], {"train": 6}, ["cat", "dog", "owl"]),
    "links only": (["cat -> ../store", "dog -> ../store"], CAT_DOG, ["cat", "dog"]),
    "a link to nothing": ([*PAIR, "cat/3.png -> gone.png", "owl -> gone"], CAT_DOG, ["cat", "dog"]),
    "a link in a circle": ([*PAIR, "cat/again -> ..", "dog/self -> ."], CAT_DOG, ["cat", "dog"]),
    "a link to itself": ([*PAIR, "cat/3.png -> 3.png"], CAT_DOG, ["cat", "dog"]),
    "recordings among pictures": ([*PAIR, "cat/1.wav", "dog/1.flac"], CAT_DOG, ["cat", "dog"]),
    "recordings": (["no/1.wav", "yes/1.FLAC", "yes/test 2.ogg", "yes/3.txt"], {"train": 3}, ["no", "yes"]),
    "recordings in splits": (["train/a/1.wav", "test/a/1.wav"], {"train": 1, "test": 1}, ["a"]),
    "annotations beside pictures": ([*PAIR, "cat/1.xml", "cat/1.json", "README.md"], CAT_DOG, ["cat", "dog"]),
    "brackets and stars": (
        [*PAIR, "cat/[3].png", "d*g/1.png", "a?b/1.png"],
        {"train": 7},
        ["a?b", "cat", "d*g", "dog"],
    ),
    "spaces and other scripts": (
        [*PAIR, "柴 犬/写真 1.png", "Ölbild/é.png"],
        {"train": 6},
        ["cat", "dog", "Ölbild", "柴 犬"],
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_every_file_is_read_or_named(name, tmp_path, caplog):
    names, rows, classes = TREES[name]
    plant(tmp_path / "store", ["1.png", "2.png"])
    folder = plant(tmp_path / "photos", names)
    there = {
        Path(at, file).relative_to(folder).as_posix()
        for at, _, files in os.walk(folder)  # links to folders are not entered
        for file in files
    }
    with caplog.at_level(logging.WARNING):
        data = {split: load_split(folder, split) for split in splits(folder)}
    assert {split: len(part) for split, part in data.items()} == rows
    count = file_count(folder)
    named = {path for paths in count.left_out.values() for path in paths}
    column = "audio" if name.startswith("recordings") and "among" not in name else "image"
    read = {
        Path(row["path"]).relative_to(folder).as_posix()
        for part in data.values()
        for row in part.cast_column(column, Audio(decode=False) if column == "audio" else Image(decode=False))[column]
    }
    assert there <= read | named
    assert not read & named
    assert count.numbers == {"found": len(read) + len(named), "read": len(read), "left_out": len(named)}
    for path in named:
        assert path in str(count) or Path(path).suffix in str(count)
    assert (str(count) in caplog.text) == bool(named or count.nested)
    label = next(iter(data.values())).features.get("label")
    assert (None if label is None else label.names) == classes


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([*PAIR, "owl/"], "owl is empty; add examples or remove it"),
        ([*IN_SPLITS, "test/owl/"], "owl is empty"),
        (["owl/1.HEIC", "owl/2.HEIC"], r"holds nothing that can be read: owl/\*\.HEIC \(2\): neither a picture"),
        ([".DS_Store"], r"holds nothing that can be read: \.DS_Store: hidden"),
        ([*IN_SPLITS, "extra/1.png"], "extra beside test, train: which are splits cannot be told.*move or rename"),
        ([*IN_SPLITS, "testing/cat/1.png"], "testing beside test, train"),
        ([*IN_SPLITS, "val/cat/1.png", "dev/cat/1.png"], "dev, test, train, val name one split twice"),
        ([f"{split}/{name}" for split in ("Train", "Test") for name in PAIR], "Test, Train look like splits.*rename"),
        ([f"{split}/{name}" for split in ("training", "testing") for name in PAIR], "look like splits"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_name(names, said, tmp_path):
    with pytest.raises(DataError, match=said):
        splits(plant(tmp_path / "photos", names))


def test_files_of_one_folder_that_end_alike_are_named_together(tmp_path):
    folder = plant(tmp_path / "photos", [*PAIR, *(f"owl/{number}.HEIC" for number in range(30)), "cat/a.txt"])
    assert str(file_count(folder)) == (
        "photos: 35 files found, 4 read, 31 left out: cat/a.txt, owl/*.HEIC (30): "
        "not an image that can be opened, by the suffix; pip install 'tsugiki[heic]' opens HEIC"
    )


def test_a_table_beside_the_files_says_more_of_them(tmp_path):
    folder = plant(tmp_path / "photos", ["a test.png", "b.png", "c.png", "more/d.png"])
    (folder / "metadata.csv").write_text("file_name,caption\nb.png,a bee\nmore/d.png,a deer\na test.png,an ape\n")
    data = load_split(folder, None)
    assert data["caption"][:] == ["a bee", "a deer", "an ape"]
    paths = [Path(row["path"]).name for row in data.cast_column("image", Image(decode=False))["image"]]
    assert paths == ["b.png", "d.png", "a test.png"]
    assert file_count(folder).left_out == {
        "the table of the files beside it": ["metadata.csv"],
        "not in metadata.csv": ["c.png"],
    }
    (folder / "metadata.csv").write_text("file_name,caption\ngone.png,a goat\n")
    with pytest.raises(DataError, match=r"metadata\.csv names .*gone\.png, which is no file that can be opened"):
        load_split(folder, None)


def test_folders_of_tables_are_left_to_others(tmp_path):
    (tmp_path / "train.csv").write_text("a\n1\n")
    plant(tmp_path, ["README.md"])
    assert read_media_folder(tmp_path) is None
    assert splits(tmp_path) == ["train"]


def test_a_name_that_is_no_text_is_read_all_the_same(tmp_path):
    folder = plant(tmp_path / "photos", PAIR)
    (folder / "cat/1.png").rename(folder / os.fsdecode(b"cat/caf\xe9.png"))
    data = load_split(folder, None)
    assert [row.size for row in data["image"]] == [(4, 4)] * 4
    (folder / "dog").rename(folder / os.fsdecode(b"caf\xe9"))
    assert load_split(folder, None).features["label"].names == ["caf\\xe9", "cat"]


def test_predict_names_what_it_leaves_out(tmp_path, capsys):
    model = write_snapshot(tmp_path / "model")
    capsys.readouterr()
    folder = plant(
        tmp_path / "photos", [*PAIR, "owl -> ../store", "cat/IMG.HEIC", "cat/.DS_Store", "dog/3.png -> gone"]
    )
    plant(tmp_path / "store", ["1.png"])
    assert cli.main(["predict", str(model), str(folder), "-k", "1"]) == 0
    output = capsys.readouterr()
    assert output.out.count(".png") == 5
    assert output.err.splitlines() == [
        "tsugiki: photos: 8 files found, 5 read, 3 left out: cat/.DS_Store: hidden; dog/3.png: a link to nothing; "
        "cat/IMG.HEIC: not an image that can be opened, by the suffix; pip install 'tsugiki[heic]' opens HEIC"
    ]
