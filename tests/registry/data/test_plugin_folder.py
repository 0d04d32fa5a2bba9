"""Folders in the format of a plugin: found, told apart, forced into one sentence where they are wrong."""

from __future__ import annotations

import re

import pytest
from PIL import Image as Pillow
from tsugiki import cli
from tsugiki.data import plugin_folder
from tsugiki.data.formats import reading_as
from tsugiki.data.load_data import file_count, load_split, splits
from tsugiki.errors import DataError, OptionError, PluginError
from tsugiki.plugin import Plugin
from tsugiki.snapshots.provenance import Provenance

from .. import transfer_data
from ..tiny_snapshots import write_snapshot

READER = """
    from tsugiki.plugin import Plugin

    plugin = Plugin("{name}", readers={{"{format}": "fake_{name}.reading:{function}"}})
"""
READING = """
from tsugiki.file_tree import FileCount

class Broken:
    count = FileCount("folder", {}, {})

    def dataset(self):
        return {}["no such key"]

def take(folder): return Broken()
def fail(folder): raise KeyError("annotations")
"""


@pytest.fixture
def marked(tmp_path):
    folder = tmp_path / "squares"
    folder.mkdir()
    for number in range(3):
        Pillow.new("L", (8, 8), 40 * number).save(folder / f"{number}.png")
    (folder / "marks.txt").write_text("train 0.png 1 2 3 4\ntrain 1.png 0 0 5 5\ntrain 1.png 2 2 8 8\n")
    return folder


@pytest.fixture
def install_reader(install_plugin):
    plugin_folder._warn_once.cache_clear()

    def install(name, function, format_name="marked"):
        package = install_plugin(name, READER.format(name=name, function=function, format=format_name))
        (package / "reading.py").write_text(READING)

    return install


def test_a_folder_in_a_plugins_format_is_read_by_it(marked):
    assert splits(marked) == ["train"]
    data = load_split(marked, None)
    assert data["boxes"] == [[[1, 2, 3, 4]], [[0, 0, 5, 5], [2, 2, 8, 8]]]
    assert data[1]["image"].getpixel((0, 0)) == 40
    assert file_count(marked).numbers == {"found": 3, "read": 2, "left_out": 1}


def test_other_folders_are_read_as_before(marked):
    (marked / "marks.txt").unlink()
    assert load_split(marked, None).column_names == ["image"]


def test_a_card_that_says_how_to_read_goes_first(marked):
    (marked / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: rows.csv\n---\n")
    (marked / "rows.csv").write_text("text,label\nhello,1\n")
    assert load_split(marked, None).column_names == ["text", "label"]


def test_what_a_reader_says_of_a_file_is_the_error(marked):
    (marked / "marks.txt").write_text("train 0.png 1 2 3 4\ntrain 1.png 3 0 2 5\n")
    with pytest.raises(DataError, match=re.escape("marks.txt, line 2: 3 0 2 5 is no box")):
        load_split(marked, None)


def test_two_plugins_that_know_a_folder_are_both_named(marked, install_reader):
    install_reader("boxes", "take", "corners")
    with pytest.raises(
        DataError,
        match=r"is corners as plugin 'boxes' reads it and marked as plugin 'toy' reads it; "
        r"say which with --format \(format=\): "
        r"boxes:corners or toy:marked",
    ):
        load_split(marked, None)
    for name in ("marked", "toy:marked"):
        with reading_as(name):
            assert len(load_split(marked, None)) == 2
    with reading_as("corners"), pytest.raises(PluginError, match=r"'boxes'.*fails to read corners"):
        load_split(marked, None)


def test_a_reader_that_fails_costs_one_line_and_no_data(marked, install_reader, caplog, monkeypatch):
    install_reader("thorn", "fail")
    assert len(load_split(marked, None)) == 2
    assert len(load_split(marked, "train")) == 2
    line = "plugin 'thorn' (tsugiki-thorn) fails to read marked: KeyError: 'annotations'"
    assert [record.getMessage() for record in caplog.records if "thorn" in record.getMessage()] == [line]
    monkeypatch.setenv("TSUGIKI_STRICT", "1")
    with pytest.raises(PluginError, match=re.escape(line)):
        load_split(marked, None)


def test_a_reader_that_cannot_be_imported_costs_one_line(marked, install_reader, caplog):
    install_reader("thorn", "no_such_function")
    assert len(load_split(marked, None)) == 2
    assert "plugin 'thorn' (tsugiki-thorn) cannot import fake_thorn.reading:no_such_function" in caplog.text


def test_a_reader_that_fails_at_the_rows_is_named(tmp_path, install_reader):
    install_reader("boxes", "take")
    with pytest.raises(
        PluginError, match=r"plugin 'boxes' \(tsugiki-boxes\) fails to read marked: KeyError: 'no such key'"
    ):
        load_split(tmp_path, None)


def test_a_reference_of_a_reader_is_checked():
    with pytest.raises(PluginError, match=r"reader 'coco' of plugin 'boxes' must be written 'package.module:Name'"):
        Plugin("boxes", readers={"coco": "reading.coco"})


# ---------------------------------------------------------------- a format that a person names


def test_a_folder_is_read_in_the_format_that_is_named(marked):
    (marked / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: rows.csv\n---\n")
    (marked / "rows.csv").write_text("text,label\nhello,1\n")
    with reading_as("marked"):
        assert load_split(marked, None).column_names == ["image", "boxes"]
        assert file_count(marked).numbers["read"] == 2
        with reading_as(None):
            assert splits(marked) == ["train"] and load_split(marked, None).column_names == ["image", "boxes"]
    with reading_as("class-folders"):
        assert load_split(marked, None).column_names == ["image"] and len(load_split(marked, None)) == 3
    assert load_split(marked, None).column_names == ["text", "label"]


def test_a_format_that_does_not_fit_is_one_error(marked, tmp_path):
    with reading_as("marked"), pytest.raises(DataError, match="is no folder in the format marked; leave the format"):
        load_split(marked.parent, None)
    (tmp_path / "rows.csv").write_text("text,label\nhello,1\n")
    for data in (str(tmp_path / "rows.csv"), "org/unknown"):
        with reading_as("tables"), pytest.raises(DataError, match="is no folder on this machine, and a format"):
            load_split(data, None)
    said = r"'mark', only class-folders, tables, marked\. Did you mean 'marked'"
    with pytest.raises(OptionError, match=said), reading_as("mark"):
        pass


def test_a_model_of_a_folder_in_a_named_format_is_verified_in_it(tmp_path, capsys, monkeypatch):
    base = write_snapshot(tmp_path / "base")
    for row, one in enumerate(transfer_data.dataset(6)):
        place = tmp_path / "photos" / f"kind {one['label']}" / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        one["image"].save(place)
    (tmp_path / "photos" / "marks.txt").write_text("train kind 0/0.png 1 2 3 4\n")
    monkeypatch.chdir(tmp_path)
    words = ["finetune", str(base), "photos", "--depth", "head", "--output-dir", "mine"]
    assert cli.main(words) == 1
    assert cli.main([*words, "--format", "picture"]) == 1
    assert "unknown format 'picture', only class-folders, tables, marked" in capsys.readouterr().err
    assert cli.main([*words, "--format", "class-folders"]) == 0
    known = Provenance.read(tmp_path / "mine")
    assert known.command.endswith("--format class-folders")
    assert known.data.train.format == known.evaluations[0].format == "class-folders"
    assert cli.main(["evaluate", "mine", "photos", "--format", "class-folders"]) == 0
    assert cli.main(["evaluate", "mine", "photos"]) == 1
    assert cli.main(["verify", "mine"]) == 0
