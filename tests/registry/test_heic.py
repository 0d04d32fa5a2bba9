"""Photographs in HEIC: read by another package where that is installed, else an error with the line that gets it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tsugiki import heic
from tsugiki.cli.sources import find_inputs, inputs_of_kind
from tsugiki.errors import DataError
from tsugiki.images import is_image_file, open_image
from tsugiki.inputs import PICTURES

BEGIN = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(heic, "find_spec", lambda name: None)


@pytest.fixture
def photographs(tmp_path):
    (tmp_path / "photo.HEIC").write_bytes(BEGIN)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize("kind", [Path, bytes, str])
def test_without_the_package_the_error_says_how_to_get_it(kind, without, photographs):
    file = photographs / "photo.HEIC"
    with pytest.raises(DataError, match=r"photo does not decode .* HEIC, .* pip install 'tsugiki\[heic\]'"):
        open_image(file.read_bytes() if kind is bytes else kind(file), name="photo")


def test_without_the_package_a_folder_leaves_them_out_and_says_so(without, photographs, capsys):
    assert [name for name, _ in inputs_of_kind(find_inputs([str(photographs)]), PICTURES)] == [f"{photographs}/a.png"]
    assert "photo.HEIC: not an image that can be opened, by the suffix; pip install 'tsugiki[heic]'" in (
        capsys.readouterr().err
    )


def test_the_package_is_asked_when_one_is_met(photographs, monkeypatch):
    asked = []

    def register():
        asked.append("register")
        monkeypatch.setattr(Image, "open", lambda source: Image.new("RGB", (8, 4)))

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    monkeypatch.setattr(heic, "find_spec", lambda name: object())
    assert is_image_file(photographs / "photo.HEIC")
    open_image(photographs / "a.png")
    assert asked == []
    assert open_image(photographs / "photo.HEIC").size == (8, 4)
    assert asked == ["register"]


def test_a_photograph_is_read():
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra tsugiki[heic] is not installed")
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48:] = 200
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=95)
    assert heic.is_heic(file.getvalue())
    found = np.asarray(open_image(file.getvalue()))
    assert found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).mean() < 2
