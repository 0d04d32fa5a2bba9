from __future__ import annotations

import pytest
from PIL import Image
from tsugiki.errors import OutputError
from tsugiki_vision.pictures.png_files import check_png_path, write_png


def test_a_picture_carries_its_text(tmp_path):
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    write_png(tmp_path / "a.png", picture, {"Description": "接ぎ木"})
    with Image.open(tmp_path / "a.png") as read:
        assert read.getpixel((2, 1)) == (1, 2, 3)
        assert read.text == {"Description": "接ぎ木"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_other_names_and_places_are_refused(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, said in (("a.jpg", "name the output something.png"), ("no/a.png", "written"), ("folder.png", "written")):
        with pytest.raises(OutputError, match=said):
            check_png_path(tmp_path / name)


def test_a_source_is_never_replaced(tmp_path):
    source = tmp_path / "a.png"
    source.write_bytes(b"photograph")
    with pytest.raises(OutputError, match="is one of the pictures to read"):
        check_png_path(tmp_path / "a.png", tmp_path / "b.png", source)
    assert check_png_path(tmp_path / "c.png", source) == tmp_path / "c.png"


def test_a_write_that_fails_leaves_the_older_picture(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_bytes(b"older")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write .*a\.png: no space left"):
        write_png(target, Image.new("L", (2, 2)), {})
    assert target.read_bytes() == b"older"
