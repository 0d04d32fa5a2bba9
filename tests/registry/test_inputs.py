"""Kinds of inputs: which files hold one, whether a word is one, and how one is opened."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from PIL import Image
from tsugiki.errors import DataError
from tsugiki.inputs import CLIPS, KINDS, PAIRS, PICTURES, RECORDINGS, TEXTS, looks_like_file
from tsugiki.registry import registry
from tsugiki.shared_tasks import SHARED_TASKS

PROCESSOR = SimpleNamespace(sampling_rate=8000)


@pytest.fixture
def folder(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", np.zeros(9), 8000)
    (tmp_path / "notes.txt").write_text("one\n\ntwo\tthree\n")
    return [(path.name, path) for path in sorted(tmp_path.iterdir())]


def test_files_of_a_folder_are_chosen_by_their_endings(folder):
    assert [name for name, _ in PICTURES.find(folder)] == ["a.png"]
    assert [name for name, _ in CLIPS.find(folder)] == ["a.png"]
    assert [name for name, _ in RECORDINGS.find(folder)] == ["a.wav"]
    with pytest.raises(DataError, match="none of the 2 files of the folder is a recording by its suffix"):
        RECORDINGS.find([folder[0], folder[2]])


def test_a_single_file_is_taken_whatever_its_ending(folder):
    assert RECORDINGS.find(folder[2:]) == folder[2:]
    with pytest.raises(DataError, match=r"notes\.txt does not decode as audio"):
        RECORDINGS.open(folder[2][1], "notes.txt", PROCESSOR)


def test_words_are_inputs_of_texts_alone():
    assert TEXTS.find([("good film", "good film")]) == [("good film", "good film")]
    for kind in (PICTURES, CLIPS, RECORDINGS):
        with pytest.raises(DataError, match="no such file or folder: good"):
            kind.find([("good", "good")])


def test_every_line_of_a_text_file_is_an_input(folder):
    assert TEXTS.find(folder[2:]) == [("notes.txt:1", "one"), ("notes.txt:3", "two\tthree")]
    assert TEXTS.find([("standard input", b"a\nb")]) == [("standard input:1", "a"), ("standard input:2", "b")]


def test_only_what_ends_a_line_for_every_editor_does():
    text = "\ufeffgood\u2028film\r\nbad\x0cfilm\rfine\n".encode()
    found = [("in:1", "good\u2028film"), ("in:2", "bad\x0cfilm"), ("in:3", "fine")]
    assert TEXTS.find([("in", text)]) == found


def test_rows_of_a_table_are_inputs_and_an_empty_one_is_named(tmp_path):
    table = tmp_path / "d.csv"
    table.write_text("whatever")
    found = TEXTS.find([("d.csv", table)], lambda path: ["one, two", None, ["three"]])
    assert [(name, content) for name, content in found if not isinstance(content, DataError)] == [
        ("d.csv:1", "one, two"),
        ("d.csv:3", ["three"]),
    ]
    assert str(found[1][1]) == "d.csv:2: the row is empty"
    assert PAIRS.open(["two", "three"], "", None) == ["two", "three"]


def test_a_file_of_a_folder_that_is_no_text_is_named_and_the_others_are_read(folder, tmp_path):
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    sources = [("latin.txt", tmp_path / "latin.txt"), folder[2]]
    first, *others = TEXTS.find(sources)
    assert str(first[1]) == "latin.txt is no text in UTF-8 (byte 3)"
    assert others == [("notes.txt:1", "one"), ("notes.txt:3", "two\tthree")]
    with pytest.raises(DataError, match=r"latin\.txt is no text in UTF-8"):
        TEXTS.find(sources[:1])


def test_a_tab_makes_a_pair():
    assert PAIRS.open("two\tthree", "", None) == ["two", "three"]
    assert PAIRS.open("two three", "", None) == "two three"
    assert TEXTS.open("two\tthree", "", None) == "two\tthree"


def test_a_recording_is_opened_at_the_rate_of_the_model(folder):
    assert RECORDINGS.open(folder[1][1], "a.wav", PROCESSOR).shape == (9,)
    with pytest.raises(DataError, match=r"a\.wav has 8000 samples a second and the model takes 100"):
        RECORDINGS.open(folder[1][1], "a.wav", SimpleNamespace(sampling_rate=100))


@pytest.mark.parametrize(("word", "is_file"), [("a.png", True), ("A.WAV", True), ("a.txt", True), ("good.", False)])
def test_a_word_with_a_usual_ending_is_the_name_of_a_file(word, is_file):
    assert looks_like_file(word) is is_file
    assert not looks_like_file(f"see {word}")


def test_every_task_says_what_it_reads():
    for name in SHARED_TASKS:
        assert registry().task_class(name).inputs in KINDS, name


def test_kinds_import_nothing_heavy():
    code = (
        "import sys, tsugiki.inputs\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'soundfile', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
