"""What is written in a table is the text: the words NA, None and null too. Only an empty cell is missing."""

from __future__ import annotations

import json

import datasets
import pytest
from PIL import Image
from tsugiki.class_labels import class_names, class_numbers
from tsugiki.columns import read_texts
from tsugiki.data.load_data import load_split
from tsugiki.errors import DataError

WORDS = ["None", "NA", "null", "nan", "N/A", "NaN", "#N/A", "", "a river"]
MARK = "\ufeff"


@pytest.mark.parametrize("mark", ["", MARK])
@pytest.mark.parametrize(("suffix", "comma"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("where", ["file", "folder", "declared"])
def test_words_of_a_csv_are_no_missing_cells(where, suffix, comma, mark, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / f"train.{suffix}"
    lines = ["text", "label"], *((word, word or "NA") for word in WORDS)
    file.write_text(mark + "".join(f"{text}{comma}{label}\n" for text, label in lines), encoding="utf-8")
    if where == "declared":
        separator = '    sep: "\\t"\n' * (suffix == "tsv")
        (folder / "README.md").write_text(
            f"---\nconfigs:\n  - config_name: default\n    data_files: train.{suffix}\n{separator}---\n"
        )
    table = load_split(file if where == "file" else folder, None)
    assert table["text"] == [word or None for word in WORDS]
    assert table["label"] == [word or "NA" for word in WORDS]


def test_a_class_may_be_called_na(tmp_path):
    file = tmp_path / "d.csv"
    file.write_text("text,label\nNull,NA\nNone,null\n")
    table = load_split(file, None)
    assert read_texts(table, "text") == ["Null", "None"]
    assert class_names(table, "label") == ["NA", "null"]


def test_whole_numbers_beside_an_empty_cell_stay_such(tmp_path):
    file = tmp_path / "d.csv"
    file.write_text("text,label,share\na,1,0.5\nb,,\nc,0,1\n")
    table = load_split(file, None)
    assert table["label"] == [1, None, 0] and table["share"] == [0.5, None, 1]
    with pytest.raises(DataError, match="1 of 3 rows has no label in column 'label', the first is row 1"):
        class_numbers(table, "label", ["0", "1"])


@pytest.mark.parametrize("last", ["one", ""])
def test_the_type_of_a_column_is_that_of_all_its_rows(last, tmp_path):
    file = tmp_path / "d.csv"
    file.write_text("text,label\n" + "".join(f"a{n},{n % 2}\n" for n in range(100_000)) + f"b,{last}\n")
    labels = load_split(file, None)["label"]
    assert labels[0] == ("0" if last else 0) and labels[-1] == (last or None)


@pytest.mark.parametrize("mark", ["", MARK])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_null_is_missing_in_json_and_its_name_is_not(suffix, mark, tmp_path):
    file, rows = tmp_path / f"d.{suffix}", [{"text": word or None, "label": "NA"} for word in WORDS]
    written = json.dumps(rows) if suffix == "json" else "".join(json.dumps(row) + "\n" for row in rows)
    file.write_text(mark + written, encoding="utf-8")
    assert load_split(file, None)["text"] == [word or None for word in WORDS]


def test_null_is_missing_in_parquet(tmp_path):
    datasets.Dataset.from_dict({"text": ["None", None], "label": ["NA", None]}).to_parquet(tmp_path / "d.parquet")
    table = load_split(tmp_path / "d.parquet", None)
    assert table["text"] == ["None", None] and table["label"] == ["NA", None]


def test_missing_texts_are_counted(tmp_path):
    (tmp_path / "d.csv").write_text("text,label\na,x\n,y\nb,x\n,y\n")
    table = load_split(tmp_path / "d.csv", None)
    with pytest.raises(DataError, match="2 of 4 rows have no text in column 'text', the first is row 1; remove them"):
        read_texts(table, "text")


def test_the_table_beside_pictures_is_read_alike(tmp_path):
    for number in range(2):
        Image.new("L", (4, 4)).save(tmp_path / f"{number}.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.png,None\n1.png,NA\n")
    assert load_split(tmp_path, None)["label"] == ["None", "NA"]
