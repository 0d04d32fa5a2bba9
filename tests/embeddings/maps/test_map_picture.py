from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tsugiki.errors import OutputError
from tsugiki_embeddings.maps.map_picture import draw_map, place_labels
from tsugiki_embeddings.maps.tsne_map import Map


def random_map(count: int = 300, **fields) -> Map:
    generator = np.random.default_rng(0)
    values = {
        "title": "a map of $5 words",
        "positions": generator.normal(size=(count, 2)),
        "labels": [f"word{number}" for number in range(count)],
        "details": [""] * count,
        "groups": generator.integers(0, 3, count),
        "group_names": ["one", "two_$x$", "three"],
        "marked": [2],
    }
    return Map(**{**values, **fields})


def test_labels_overlap_neither_each_other_nor_the_edge():
    generator = np.random.default_rng(1)
    anchors = generator.uniform(0, 500, (400, 2))
    sizes = np.stack([generator.uniform(20, 60, 400), np.full(400, 11.0)], axis=1)
    placed = place_labels(anchors, sizes, (0, 0, 500, 500), gap=2)
    assert 40 < len(placed) < 400
    boxes = [(*corner, corner[0] + sizes[number, 0], corner[1] + sizes[number, 1]) for number, corner in placed.items()]
    for number, (left, bottom, right, top) in enumerate(boxes):
        assert left >= 0 and bottom >= 0 and right <= 500 and top <= 500
        for other in boxes[:number]:
            assert right <= other[0] or left >= other[2] or top <= other[1] or bottom >= other[3]


def test_the_first_labels_have_the_first_choice_and_empty_ones_none():
    anchors = np.array([[50.0, 50.0], [51.0, 50.0], [50.0, 90.0]])
    placed = place_labels(anchors, np.array([[30.0, 10.0], [0.0, 10.0], [30.0, 10.0]]), (0, 0, 100, 100), gap=2)
    assert placed == {0: (52.0, 45.0), 2: (52.0, 85.0)}
    assert list(place_labels(anchors, np.full((3, 2), 10.0), (0, 0, 100, 100), most=1)) == [0]


def test_picture_is_a_png_with_its_title(tmp_path):
    labels = draw_map(random_map(), tmp_path / "map.png")
    assert 50 < labels <= 300
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == (1440, 1080)
        assert picture.info["Title"] == "a map of $5 words"
        assert np.asarray(picture.convert("L")).std() > 5
    assert [file.name for file in tmp_path.iterdir()] == ["map.png"]


def test_a_folder_that_is_missing_is_one_error(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        draw_map(random_map(10), tmp_path / "missing" / "map.png")
