"""Folders of masks: numbers of classes and of objects."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tsugiki.errors import DataError
from tsugiki_detection.annotations.mask_folders import read_masks

from .labelled_pictures import write_numbers, write_picture, write_text

SIZE = (8, 6)  # width, height


def blank():
    return np.zeros((6, 8), np.int64)


def write_folder(folder, numbers, *, kind="masks", dtype=np.uint8, suffix=".png"):
    write_picture(folder / "images" / "a.jpg", SIZE)
    write_numbers(folder / kind / f"a{suffix}", numbers, dtype)
    return folder


def test_masks_of_classes_have_names(tmp_path):
    numbers = blank()
    numbers[1:3] = 2
    numbers[4] = 255
    write_text(write_folder(tmp_path, numbers) / "classes.txt", "background\ncat\ndog\n")
    data = read_masks(tmp_path).dataset()["train"]
    assert data.column_names == ["image", "width", "height", "mask", "classes"]
    assert np.array_equal(np.asarray(data[0]["mask"]), numbers)
    assert data.features["classes"].feature.names == ["background", "cat", "dog"]
    assert data[0]["classes"] == [0, 2]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", ["masks", "instances"])
def test_labels_of_16_bits_are_objects(tmp_path, suffix, kind):
    numbers = blank()
    numbers[1:3, 2:7], numbers[4, 0] = 1, 2
    write_folder(tmp_path, numbers, kind=kind, dtype=np.uint16, suffix=suffix)
    data = read_masks(tmp_path).dataset()["train"]
    assert data.column_names == ["image", "width", "height", "mask", "objects"]
    assert data[0]["objects"] == {"bbox": [[2, 1, 5, 2], [0, 4, 1, 1]], "category": [0, 0], "area": [10, 1]}
    assert data.features["objects"]["category"].feature.names == ["object"]
    assert np.array_equal(np.asarray(data[0]["mask"]), numbers)


def test_gaps_in_the_numbers_of_objects_are_closed_and_said(tmp_path):
    numbers = blank()
    numbers[0, 0], numbers[1, 1], numbers[2, 2] = 300, 7, 9
    read = read_masks(write_folder(tmp_path, numbers, kind="instances", dtype=np.uint16))
    row = read.dataset()["train"][0]
    assert np.asarray(row["mask"])[[1, 2, 0], [1, 2, 0]].tolist() == [1, 2, 3]
    assert row["objects"]["bbox"] == [[1, 1, 1, 1], [2, 2, 1, 1], [0, 0, 1, 1]]
    assert "1 masks are numbered anew" in str(read.count)


def test_masks_of_classes_say_what_objects_are(tmp_path):
    objects, classes = blank(), blank()
    objects[0:2, 0:2], objects[4:6, 4:6] = 1, 2
    classes[0:2, 0:2], classes[4:6, 4:6], classes[5, 5] = 2, 1, 2
    write_folder(tmp_path, classes)
    write_folder(tmp_path, objects, kind="instances", dtype=np.uint16)
    write_text(tmp_path / "classes.txt", "background\ncat\ndog\n")
    data = read_masks(tmp_path).dataset()["train"]
    assert set(data.column_names) == {"image", "width", "height", "mask", "classes", "instances", "objects"}
    assert data.features["objects"]["category"].feature.names == ["cat", "dog"]
    assert data[0]["objects"]["category"] == [1, 0]
    assert np.array_equal(np.asarray(data[0]["mask"]), classes)
    assert np.array_equal(np.asarray(data[0]["instances"]), objects)


def test_masks_of_0_and_255_alone_are_two_classes(tmp_path):
    numbers = blank()
    numbers[2, 3] = 255
    data = read_masks(write_folder(tmp_path, numbers)).dataset()["train"]
    assert data.features["classes"].feature.names == ["background", "foreground"]
    assert np.array_equal(np.asarray(data[0]["mask"]), numbers // 255)
    assert data[0]["classes"] == [0, 1]


def test_places_in_a_palette_and_colors_of_a_map_are_numbers(tmp_path):
    numbers = blank()
    numbers[2, 3] = 1
    colors = np.array([[0, 0, 0], [128, 0, 64]], np.uint8)
    picture = Image.fromarray(numbers.astype(np.uint8))
    picture.putpalette(colors.tobytes())
    for name, mask in (("palette", picture), ("colors", Image.fromarray(colors[numbers]))):
        write_picture(tmp_path / name / "images/a.png", SIZE)
        (tmp_path / name / "masks").mkdir()
        mask.save(tmp_path / name / "masks/a.png")
        write_text(tmp_path / name / "labelmap.txt", "# label:color\nbackground:0,0,0::\ncat:128,0,64::\n")
        row = read_masks(tmp_path / name).dataset()["train"][0]
        assert row["classes"] == [0, 1]
        assert np.array_equal(np.asarray(row["mask"]), numbers)


def test_splits_are_folders_on_either_side(tmp_path):
    for number, split in enumerate(("train", "val")):
        write_picture(tmp_path / "images" / split / "a.png", SIZE, seed=number)
        write_numbers(tmp_path / "masks" / split / "a.png", blank() + 1)
    assert list(read_masks(tmp_path).dataset()) == ["train", "validation"]


def test_what_is_wrong_with_a_mask_is_named_by_its_file(tmp_path):
    write_text(write_folder(tmp_path, blank() + 3) / "classes.txt", "background\ncat\n")
    with pytest.raises(DataError, match=r"masks/a.png: it holds 3, and the classes are 0 to 1"):
        read_masks(tmp_path).dataset()
    write_numbers(tmp_path / "masks/a.png", np.zeros((6, 9)))
    with pytest.raises(DataError, match=r"masks/a.png: its mask is 9 x 6, but a.jpg is 8 x 6"):
        read_masks(tmp_path).dataset()
    (tmp_path / "masks/a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"masks/a.png: it does not decode as an image"):
        read_masks(tmp_path).dataset()
    write_picture(tmp_path / "masks/a.png", SIZE)
    with pytest.raises(DataError, match=r"masks/a.png: it has colors"):
        read_masks(tmp_path).dataset()
    write_numbers(tmp_path / "masks/a.png", blank())
    write_numbers(tmp_path / "masks/b.png", blank())
    with pytest.raises(DataError, match=r"masks/b.png: no one picture of the folder is called 'b'"):
        read_masks(tmp_path).dataset()
    assert read_masks(tmp_path, skip_bad=True).dataset()["train"].num_rows == 1


def test_a_picture_without_a_mask_is_left_out_and_named(tmp_path):
    write_picture(write_folder(tmp_path, blank()) / "images/b.png", SIZE)
    assert read_masks(tmp_path).count.left_out == {"without a mask": ["images/b.png"]}


def test_folders_of_pictures_alone_are_not_taken(tmp_path):
    for name in ("cat/a.png", "dog/a.png", "mask/1.png", "no_mask/1.png", "with/images/b.png", "with/masks/b.jpg"):
        write_picture(tmp_path / name)
    assert read_masks(tmp_path) is None
