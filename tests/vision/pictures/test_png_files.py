from __future__ import annotations

import pytest
from PIL import Image
from tsugiki.errors import OutputError
from tsugiki_vision.pictures.png_files import write_png


def test_a_picture_carries_its_text(tmp_path):
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    write_png(tmp_path / "a.png", picture, {"Description": "接ぎ木"})
    with Image.open(tmp_path / "a.png") as read:
        assert read.getpixel((2, 1)) == (1, 2, 3)
        assert read.text == {"Description": "接ぎ木"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_text_may_name_a_file_whose_name_is_no_text(tmp_path):
    write_png(tmp_path / "a.png", Image.new("L", (2, 2)), {"Description": "of caf\udce9.jpg"})
    with Image.open(tmp_path / "a.png") as read:
        assert read.text == {"Description": "of caf\\xe9.jpg"}


def test_a_write_that_fails_leaves_the_older_picture(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_bytes(b"older")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write .*a\.png: no space left"):
        write_png(target, Image.new("L", (2, 2)), {}, overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        write_png(target, Image.new("L", (2, 2)), {})
    assert target.read_bytes() == b"older"
