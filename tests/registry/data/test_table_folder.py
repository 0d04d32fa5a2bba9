"""Folders of tables: splits by whole names alone, and every file read or named."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path

import pytest
from tsugiki.data.load_data import file_count, load_split, splits
from tsugiki.data.table_folder import ABOUT
from tsugiki.errors import DataError

CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {}\n---\n"
FOLDERS = {
    "one table": (["a.csv"], {"train": ["a.csv"]}, []),
    "words in names": (["crash test.csv", "val d'isère.csv", "a.csv"], {"train": 3}, []),
    "words between hyphens": (["my-train-notes.jsonl", "dev-tools.jsonl", "evaluation.jsonl"], {"train": 3}, []),
    "names of splits": (["train.csv", "test.csv", "val.csv"], {"train": 1, "validation": 1, "test": 1}, []),
    "a table beside splits": (["train.csv", "test.csv", "crash test.csv"], {"train": 1, "test": 1}, ["crash test.csv"]),
    "parts of a split": (
        ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "test_2017-00000-of-00001-a1b2.jsonl"],
        {"train": 2, "test_2017": 1},
        [],
    ),
    "below data": (["data/train.csv", "data/dev.csv", "README.md"], {"train": 1, "validation": 1}, ["README.md"]),
    "folders of splits": (["train/a.csv", "train/b test.csv", "test/c.csv"], {"train": 2, "test": 1}, []),
    "one folder of a split": (["test/a.csv", "test/b.csv"], {"test": 2}, []),
    "a folder beside splits": (["train/a.csv", "testing/b.csv"], {"train": 1}, ["testing/b.csv"]),
    "folders": (["north test/a.csv", "south/b.csv"], {"train": 2}, []),
    "kinds": (["a.csv", "b.csv", "c.jsonl", "photo.png"], {"train": 2}, ["c.jsonl", "photo.png"]),
    "tabs": (["train.tsv", "test.tsv"], {"train": 1, "test": 1}, []),
    "words before a point": (["dev.2.csv", "test.old.csv", "a.csv"], {"train": 3}, []),
    "splits of two kinds": (["train.csv", "test.jsonl"], {"train": 1, "test": 1}, []),
    "a split in two kinds": (["train.csv", "train.jsonl", "test.csv"], {"train": 1, "test": 1}, ["train.jsonl"]),
    "a table called metadata": (["metadata.csv"], {"train": 1}, []),
    "hidden and about": ([".a.csv", "train.csv", "LICENSE.txt", "notes.txt"], {"train": 1}, [".a.csv", "notes.txt"]),
    "lines of text": (["poems test.txt", "novels.txt"], {"train": 2}, []),
    "star in a name": (["a[1]*.csv", "a1b.csv"], {"train": 2}, []),
    "archives": (["crash test.zip", "b.zip"], {"train": 2}, []),
}


def plant(folder: Path, names: list[str]) -> Path:
    """Write tables with one row, which says which file it is of."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inside.csv", f'text\n"{name}"\n')
        elif path.suffix == ".jsonl":
            path.write_text(json.dumps({"text": name}) + "\n", encoding="utf-8")
        else:
            path.write_text(f'text\n"{name}"\n' if path.suffix != ".txt" else name, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_is_read_or_named_and_no_word_makes_a_split(name, tmp_path, caplog):
    names, expected, left_out = FOLDERS[name]
    folder = plant(tmp_path / name, names)
    with caplog.at_level(logging.WARNING):
        read = {split: load_split(folder, split)["text"] for split in splits(folder)}
    assert list(read) == list(expected)
    assert [len(rows) for rows in read.values()] == [
        number if isinstance(number, int) else len(number) for number in expected.values()
    ]
    count = file_count(folder)
    named = {path for paths in count.left_out.values() for path in paths}
    rows = {row for part in read.values() for row in part}
    assert rows.isdisjoint(named)
    assert rows | named == set(names)
    assert set(left_out) <= named
    assert count.numbers == {"found": len(names), "read": len(rows), "left_out": len(named)}
    assert (str(count) in caplog.text) == bool(set(count.left_out) - {ABOUT} or count.note)
    assert bool(count.note) == (list(expected) == ["train"] and expected["train"] not in (["a.csv"], 1))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["val.csv", "dev.csv"], "dev, val name one split twice|val, dev name one split twice"),
        (["train/a.csv", "train.csv", "validation.csv", "valid/b.csv"], "name one split twice"),
        (["training.csv", "testing.csv"], "testing, training look like splits; splits are files or folders called"),
        (["test.csv", "europe.csv"], r"europe\.csv beside test: which are splits cannot be told.*move or rename"),
        (["more/train.csv", "more/test.csv", "a.csv"], r"more/test\.csv, more/train\.csv look like splits below"),
        (["a/train/b.csv", "c.csv"], r"a/train/b\.csv look like splits below"),
        (["data/train-00000-of-00001.jsonl", "a.csv"], r"train-00000-of-00001\.jsonl look like splits below"),
        (["train.csv", "train/a.csv"], "a table and a folder train name one split twice"),
        (["Train.csv", "Test.csv"], "Test, Train look like splits"),
        (["train-0.csv", "train-1.csv", "test_0.csv"], "test_0, train-0, train-1 look like splits"),
        (["a.exe", "b.pdf"], "holds nothing that can be read: a.exe, b.pdf"),
    ],
)
def test_what_cannot_be_told_is_refused(names, said, tmp_path):
    with pytest.raises(DataError, match=said):
        splits(plant(tmp_path / "tables", names))


def test_what_a_card_declares_is_counted_too(tmp_path, caplog):
    folder = plant(tmp_path / "tables", ["some/a.csv", "some/test.csv", "other/b.csv"])
    (folder / "README.md").write_text(CARD.format("some/*.csv"), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert sorted(load_split(folder, "train")["text"]) == ["some/a.csv", "some/test.csv"]
    line = "tables: 4 files found, 2 read, 2 left out: README.md: says what the data is; other/b.csv: not in configs:"
    assert line in caplog.text
    assert file_count(folder).numbers == {"found": 4, "read": 2, "left_out": 2}
