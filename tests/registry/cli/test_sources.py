"""What words of a command line stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tsugiki.cli.sources import find_inputs, inputs_of_kind
from tsugiki.errors import DataError
from tsugiki.inputs import PICTURES, TEXTS


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with pictures by name in folders, one of which links to the one that it lies in."""
    monkeypatch.chdir(tmp_path)
    for name in ("a10.png", "a2.png", "[1].png", "scans/b.png", "scans/deep/c.png", ".hidden/d.png", "notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    Path("scans/deep/loop").symlink_to(tmp_path / "scans", target_is_directory=True)
    return tmp_path


def names(*words, kind=PICTURES):
    return [name for name, _ in inputs_of_kind(find_inputs(words), kind)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["a10.png", "a2.png"], ["a10.png", "a2.png"]),
        (["a*.png"], ["a2.png", "a10.png"]),
        (["a?.png", "scans/*.png"], ["a2.png", "scans/b.png"]),
        (["[1].png"], ["[1].png"]),
        (["scans/**/*.png"], ["scans/b.png", "scans/deep/c.png"]),
        (["scans/**"], ["scans/b.png", "scans/deep/c.png"]),
        (["**/d.png"], None),
        ([".hidden/*.png"], [".hidden/d.png"]),
        (["a2.png", "scans"], ["a2.png", "scans/b.png", "scans/deep/c.png"]),
        (["*"], ["[1].png", "a2.png", "a10.png", "notes.txt", "scans/b.png", "scans/deep/c.png"]),
    ],
)
def test_words_stand_for_files_patterns_and_folders(words, found, here):
    if found is None:
        with pytest.raises(DataError, match="no file matches"):
            names(*words)
    else:
        assert names(*words) == found


def test_a_pattern_may_be_absolute(here):
    assert names(f"{here}/a*.png") == [f"{here}/a2.png", f"{here}/a10.png"]


def test_one_of_several_that_is_missing_is_an_input_that_cannot_be_read(here):
    (_, good), (label, error), *_ = inputs_of_kind(find_inputs(["a2.png", "b.png", "x*.png"]), PICTURES)
    assert good == Path("a2.png")
    assert label == "b.png" and str(error) == "no such file or folder: b.png"


def test_a_text_with_signs_of_a_pattern_is_a_text(here):
    texts = ["Is it good?", "a [bad] film", "5 * 5", "long? " * 1000, "a**b"]
    assert names(*texts, kind=TEXTS) == texts
