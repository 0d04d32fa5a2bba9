"""Large pictures in tiles: what is covered, what is joined, and what a picture of 4,000 pixels gives."""

from __future__ import annotations

import csv
import json
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from tsugiki.cli.errors import UsageError
from tsugiki.errors import OptionError, OutputError
from tsugiki.images import open_image
from tsugiki_detection.inference import detect_command
from tsugiki_detection.inference.detection_table import CORNERS
from tsugiki_detection.inference.tiles import Tile, TiledDetection, detect_in_tiles, join, tiles_of

from .bright_things import bright_things, night
from .tiny_detector import tiny_detector


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (641, 640), (640, 640), (100, 2000), (1, 1)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.9])
def test_tiles_cover_the_picture_and_overlap(width, height, overlap):
    tiles = tiles_of(width, height, 640, overlap)
    assert all(0 <= one.left < one.right <= width and 0 <= one.top < one.bottom <= height for one in tiles)
    assert {one.right - one.left for one in tiles} == {min(640, width)}
    for sides, length in (({(one.left, one.right) for one in tiles}, width), ({one[1::2] for one in tiles}, height)):
        ordered = sorted(sides)
        assert (ordered[0][0], ordered[-1][1]) == (0, length)
        assert all(end - start >= 640 * overlap - 1 for (_, end), (start, _) in pairwise(ordered))


@pytest.mark.parametrize(("size", "overlap"), [(0, 0.2), (64, 1.0), (64, -0.1)])
def test_tiles_that_cannot_be_are_refused(size, overlap):
    with pytest.raises(OptionError, match="overlap"):
        TiledDetection(size, overlap)


def test_a_picture_of_4000_pixels_in_tiles_finds_what_its_parts_find():
    draws = np.random.default_rng(0)
    places = [(left, top) for left in range(0, 3900, 260) for top in range(0, 2900, 240)]
    chosen = draws.permutation(len(places))[:200]
    boxes = [(*places[one], *map(int, draws.integers(8, 120, 2))) for one in chosen]
    picture = night(4000, 3000, boxes)
    seen = []

    def detect(pictures):
        seen.extend(one.size for one in pictures)
        return bright_things(pictures)

    found = detect_in_tiles(detect, picture, size=640, overlap=0.2, whole=False)
    expected = {(left, top, left + wide, top + high) for left, top, wide, high in boxes}
    assert {tuple(one["box"][side] for side in CORNERS) for one in found} == expected
    assert len(found) == len(boxes)
    assert set(seen) == {(640, 640)}
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)


def test_what_is_larger_than_the_overlap_is_found_in_the_whole_picture():
    boxes = [(50, 60, 300, 200), (5, 5, 20, 10)]  # the first in four tiles, whole in none
    picture = night(500, 400, boxes)
    with_whole = detect_in_tiles(bright_things, picture, size=200, overlap=0.2)
    assert [tuple(one["box"][side] for side in CORNERS) for one in with_whole] == [(50, 60, 350, 260), (5, 5, 25, 15)]
    without = detect_in_tiles(bright_things, picture, size=200, overlap=0.2, whole=False)
    assert len(without) > 2


def answer(label: str, score: float, *box: float) -> dict:
    return {"label": label, "score": score, "box": dict(zip(CORNERS, box, strict=True))}


def test_a_box_that_a_border_cut_goes_where_it_lies_in_another():
    left, right = Tile(0, 0, 100, 100), Tile(60, 0, 160, 100)
    whole = answer("cell", 0.6, 20, 40, 70, 80)  # at 80 to 130 of the picture
    cut = answer("cell", 0.9, 81, 41, 100, 79)
    assert join([(left, [cut]), (right, [whole])], 160, 100, 0.5) == [answer("cell", 0.6, 80, 40, 130, 80)]
    other_class = answer("nucleus", 0.9, 81, 41, 100, 79)
    assert len(join([(left, [other_class]), (right, [whole])], 160, 100, 0.5)) == 2
    inside = answer("cell", 0.9, 81, 41, 95, 79)  # ends before the border: a thing of its own
    assert len(join([(left, [inside]), (right, [whole])], 160, 100, 0.5)) == 2
    assert len(join([(Tile(0, 0, 100, 100), [cut, answer("cell", 0.6, 70, 30, 100, 90)])], 100, 100, 0.5)) == 2


def test_equal_things_of_two_tiles_are_one():
    left, right = Tile(0, 0, 100, 100), Tile(60, 0, 160, 100)
    twice = [(left, [answer("cell", 0.7, 65, 10, 90, 30)]), (right, [answer("cell", 0.8, 5, 10, 30, 30)])]
    assert join(twice, 160, 100, 0.6) == [answer("cell", 0.8, 65, 10, 90, 30)]
    assert join([(left, []), (right, [])], 160, 100, 0.6) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny detector that nobody trained, and a picture of four of its frames."""
    tmp_path = tmp_path_factory.mktemp("detector")
    tiny_detector(tmp_path / "yolo")
    draws = np.random.default_rng(0)
    for name, size in (("large.png", (100, 128, 3)), ("small.png", (48, 64, 3))):
        Image.fromarray(draws.integers(0, 255, size, dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


def test_a_network_in_tiles_finds_what_it_finds_in_each(folder):
    answering = detect_command.detector(str(folder / "yolo"), threshold=0.005)
    tiled = detect_command.detector(str(folder / "yolo"), tiles=64, overlap=0.0, whole=False, threshold=0.005)
    large = open_image(folder / "large.png")
    parts = [(tile, large.crop(tile)) for tile in tiles_of(*large.size, 64, 0.0)]
    answers = answering.task.predict(answering.model, answering.processor, [part for _, part in parts])
    expected = join([(tile, some) for (tile, _), some in zip(parts, answers, strict=True)], *large.size, 0.6)
    found = tiled.task.predict(tiled.model, tiled.processor, [large], top_k=10**6)[0]
    assert found == expected
    assert found
    small = open_image(folder / "small.png")
    one, other = (each.task.predict(each.model, each.processor, [small])[0] for each in (answering, tiled))
    assert one == other


def test_the_command_tells_and_draws(folder, tmp_path, capsys):
    ask = [str(folder / "large.png"), str(folder / "small.png"), str(folder / "broken.png")]
    options = {"tiles": 64, "threshold": 0.005}
    code = detect_command.command(
        str(folder / "yolo"),
        ask,
        csv=str(tmp_path / "t.csv"),
        output_dir=str(tmp_path / "marked"),
        json=True,
        **options,
    )
    said = capsys.readouterr()
    assert code == 1
    assert "broken.png" in said.err
    large, small, broken = json.loads(said.out)
    assert large["predictions"]
    assert set(broken) == {"input", "error"}
    assert {one.name for one in (tmp_path / "marked").iterdir()} == {"large.png", "small.png"}
    assert open_image(tmp_path / "marked" / "large.png").size == (128, 100)
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    first = large["predictions"][0]
    assert rows[0]["label"] == first["label"]
    assert float(rows[0]["xmax"]) == pytest.approx(first["box"]["xmax"], abs=0.01)
    assert len(rows) == len(large["predictions"]) + max(1, len(small["predictions"])) + 1
    assert rows[-1]["error"]

    marked = tmp_path / "one.png"
    assert detect_command.command(str(folder / "yolo"), ask[:1], output=str(marked), **options) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{ask[0]}  0.0")
    assert marked.exists()
    assert detect_command.command(str(folder / "yolo"), ask[:1], threshold=1.0) == 0
    assert "nothing found" in capsys.readouterr().out
    assert detect_command.command(str(folder / "yolo"), ask[:1], csv="-", tiles=64, threshold=0.005) == 0
    assert capsys.readouterr().out.startswith("input,label,score,xmin")


def test_the_command_refuses_before_it_works(folder, tmp_path):
    ask = [str(folder / "large.png"), str(folder / "small.png")]
    name = str(folder / "yolo")
    with pytest.raises(UsageError, match="--output names one file"):
        detect_command.command(name, ask, output=str(tmp_path / "one.png"))
    with pytest.raises(UsageError, match="both print"):
        detect_command.command(name, ask, csv="-", json=True)
    with pytest.raises(OutputError, match="exists already"):
        detect_command.command(name, ask[:1], output=ask[1])
    with pytest.raises(OptionError, match="finds no boxes"):
        detect_command.command("lenet5-mnist", ask)
