"""Classes renamed, merged and dropped."""

from __future__ import annotations

import numpy as np
import pytest
from tsugiki.errors import DataError, OptionError
from tsugiki_detection.annotations.class_map import map_classes, parse_class_map
from tsugiki_detection.annotations.coco import read_coco
from tsugiki_detection.annotations.mask_folders import read_masks

from .labelled_pictures import coco_table, write_coco_folder, write_numbers, write_picture, write_text


@pytest.fixture
def pets(tmp_path):
    table = coco_table(
        {"bbox": [1, 1, 5, 5], "category_id": 3},
        {"bbox": [2, 2, 5, 5]},
        {"bbox": [3, 3, 5, 5], "image_id": 11},
        images=2,
    )
    table["categories"].append({"id": 8, "name": "owl"})
    return read_coco(write_coco_folder(tmp_path, table)).dataset()["train"]


@pytest.mark.parametrize(
    ("mapping", "names", "categories"),
    [
        ({"dog": "wolf"}, ["cat", "wolf", "owl"], [[0, 1], [1]]),
        ({"dog": "cat"}, ["cat", "owl"], [[0, 0], [0]]),
        ({"cat": "pet", "dog": "pet"}, ["pet", "owl"], [[0, 0], [0]]),
        ({"cat": ""}, ["dog", "owl"], [[0], [0]]),
        ({"dog": "dog", "*": ""}, ["dog"], [[0], [0]]),
        ({"cat": "cat", "*": "other"}, ["cat", "other"], [[0, 1], [1]]),
        ({"dog": ""}, ["cat", "owl"], [[0], []]),
    ],
)
def test_classes_get_other_names(pets, mapping, names, categories):
    data = map_classes(pets, mapping)
    assert data.column_names == pets.column_names
    assert data.features["objects"]["category"].feature.names == names
    assert [row["category"] for row in data["objects"]] == categories
    assert all(len({len(values) for values in row.values()}) == 1 for row in data["objects"])


def test_a_map_that_drops_all_or_names_no_class_is_refused(pets):
    with pytest.raises(DataError, match="no class is left of cat, dog, owl: the map drops all"):
        map_classes(pets, {"*": ""})
    with pytest.raises(DataError, match=r"there is no class 'dgo', only cat, dog, owl. Did you mean 'dog'"):
        map_classes(pets, {"dgo": "cat"})


def test_masks_are_numbered_anew(tmp_path):
    objects, classes = np.zeros((6, 8), np.int64), np.zeros((6, 8), np.int64)
    objects[0, :2], objects[2, :2], objects[4, :2] = 1, 2, 3
    classes[0, :2], classes[2, :2], classes[4, :2], classes[5] = 1, 2, 1, 255
    write_picture(tmp_path / "images/a.png", (8, 6))
    write_numbers(tmp_path / "masks/a.png", classes)
    write_numbers(tmp_path / "instances/a.png", objects, np.uint16)
    write_text(tmp_path / "classes.txt", "background\ncat\ndog\n")
    data = map_classes(read_masks(tmp_path).dataset()["train"], {"cat": "", "dog": "wolf"})
    assert data.features["classes"].feature.names == ["background", "wolf"]
    assert data.features["objects"]["category"].feature.names == ["wolf"]
    assert data[0]["objects"]["bbox"] == [[0, 2, 2, 1]]
    assert np.array_equal(np.asarray(data[0]["instances"]), objects == 2)
    assert np.array_equal(np.asarray(data[0]["mask"]), np.where(classes == 255, 255, classes == 2))


def test_a_map_is_written_old_new():
    assert parse_class_map("a=b, c = d,e=") == {"a": "b", "c": "d", "e": ""}
    for wrong in ("a", "=b", "a=b,a=c", ""):
        with pytest.raises(OptionError):
            parse_class_map(wrong)
