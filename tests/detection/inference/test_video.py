"""Films: frames in, films with boxes out, whole or not at all."""

from __future__ import annotations

import csv
import gc
import json
import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from tsugiki.cli.errors import UsageError
from tsugiki.errors import DataError, OutputError, PluginError
from tsugiki_detection.inference import detect_command
from tsugiki_detection.inference.video import detect_in_film, is_film, open_film

from .tiny_detector import tiny_detector

FRAMES, WIDTH, HEIGHT = 100, 65, 48  # an odd side, which encoders do not take


def left_of(number: int) -> int:
    """Where the bright square of a frame begins; it is 16 pixels a side."""
    return 4 + number % 40


def find_square(picture: Image.Image) -> list[dict]:
    rows, columns = np.nonzero(np.asarray(picture.convert("L")) > 128)
    sides = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    box = dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, sides), strict=True))
    return [{"label": "square", "score": 0.9, "box": box}]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("films") / "square.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25), options={"q:v": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH + 1, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            pixels = np.full((HEIGHT, WIDTH + 1, 3), 20, np.uint8)
            pixels[20:36, left_of(number) : left_of(number) + 16] = 240
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_hundred_frames_are_looked_at_and_written_with_boxes(film, tmp_path, suffix):
    target = tmp_path / f"marked{suffix}"
    with open_film(film) as opened:
        assert (opened.count, opened.rate) == (FRAMES, 25)
        found = []
        for frame, answers in detect_in_film(opened, find_square, target):
            assert not target.exists()
            found.append((frame.number, frame.seconds, answers[0]["box"]["xmin"]))
    assert [number for number, _, _ in found] == list(range(FRAMES))
    np.testing.assert_allclose([seconds for _, seconds, _ in found], np.arange(FRAMES) / 25, atol=1e-3)
    np.testing.assert_allclose([left for _, _, left in found], [left_of(number) for number in range(FRAMES)], atol=2)
    assert [one.name for one in tmp_path.iterdir()] == [target.name]
    with open_film(target) as marked:
        frames = list(marked.frames)
    assert len(frames) == FRAMES
    assert frames[0].picture.size == (WIDTH + 1, HEIGHT)
    np.testing.assert_allclose([one.seconds for one in frames], np.arange(FRAMES) / 25, atol=2e-3)
    plain = np.asarray(frames[50].picture, float)
    colours = plain.max(2) - plain.min(2)
    assert (colours > 60).sum() > 40  # the film is gray, boxes are not


def test_pictures_of_an_odd_size_are_written(film, tmp_path):
    def crop(picture: Image.Image) -> list[dict]:
        return []

    with open_film(film) as opened:
        frames = (
            type(one)(one.number, one.seconds, one.picture.crop((0, 0, 65, 47)), one.time) for one in opened.frames
        )
        narrow = type(opened)(frames, opened.count, opened.rate, opened.unit)
        assert len(list(detect_in_film(narrow, crop, tmp_path / "odd.mp4"))) == FRAMES
    with open_film(tmp_path / "odd.mp4") as opened:
        assert next(opened.frames).picture.size == (66, 48)


def test_no_more_than_a_few_frames_are_held(film, tmp_path):
    alive: list[weakref.ref] = []

    def detect(picture: Image.Image) -> list[dict]:
        alive.append(weakref.ref(picture))
        gc.collect()
        assert sum(one() is not None for one in alive) <= 2
        return []

    with open_film(film) as opened:
        for number, _ in enumerate(detect_in_film(opened, detect, tmp_path / "out.mp4")):
            if number == 20:
                break


def test_what_breaks_off_leaves_nothing(film, tmp_path):
    def fail(picture: Image.Image) -> list[dict]:
        raise DataError("no more")

    with open_film(film) as opened, pytest.raises(DataError, match="no more"):
        list(detect_in_film(opened, fail, tmp_path / "out.mp4"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.mp4").write_bytes(b"mine")
    with open_film(film) as opened, pytest.raises(OutputError, match="exists already"):
        list(detect_in_film(opened, find_square, tmp_path / "out.mp4"))
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"


def test_what_is_no_film_is_named(film, tmp_path):
    (tmp_path / "words.mp4").write_text("no film")
    with (
        pytest.raises(DataError, match=r"words\.mp4 is no film that can be read: Invalid data"),
        open_film(tmp_path / "words.mp4"),
    ):
        pass
    (tmp_path / "half.mp4").write_bytes(film.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"half\.mp4"), open_film(tmp_path / "half.mp4") as opened:
        list(opened.frames)


def test_without_av_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PluginError, match=r"pip install 'tsugiki-detection\[video\]'"), open_film(tmp_path / "a.mp4"):
        pass


def test_the_command_tells_of_each_frame(film, tmp_path, capsys):
    tiny_detector(tmp_path / "yolo")
    name, said = str(tmp_path / "yolo"), tmp_path / "frames.csv"
    code = detect_command.command(
        name, [str(film)], output=str(tmp_path / "marked.mp4"), csv=str(said), threshold=0.05, json=True
    )
    assert code == 0
    frames = json.loads(capsys.readouterr().out)
    assert [one["frame"] for one in frames] == list(range(FRAMES))
    assert frames[25]["seconds"] == 1
    rows = list(csv.DictReader(said.read_text().splitlines()))
    assert len(rows) == sum(max(1, len(one["predictions"])) for one in frames)
    assert (tmp_path / "marked.mp4").exists()
    with pytest.raises(OutputError, match="MP4, MOV, MKV or WebM"):
        detect_command.command(name, [str(film)], output=str(tmp_path / "marked.png"))
    with pytest.raises(UsageError, match="one by one"):
        detect_command.command(name, [str(film), str(film)])
    with pytest.raises(UsageError, match="--output names"):
        detect_command.command(name, [str(film)], output_dir=str(tmp_path))


def test_films_go_by_the_ending_of_their_name(tmp_path):
    assert is_film(tmp_path / "A.MP4")
    assert not is_film(tmp_path / "a.gif")
    assert not is_film(b"bytes")
