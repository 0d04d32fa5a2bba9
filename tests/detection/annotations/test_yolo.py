"""YOLO's text files: boxes, polygons, names, splits, and what is refused."""

from __future__ import annotations

import pytest
from tsugiki.errors import DataError
from tsugiki_detection.annotations.yolo import read_yolo

from .labelled_pictures import write_picture, write_text


def write_folder(folder, text, *, names="cat\ndog\n"):
    write_picture(folder / "a.png")
    write_text(folder / "a.txt", text)
    if names:
        write_text(folder / "classes.txt", names)
    return folder


def test_boxes_are_fractions_of_the_picture(tmp_path):
    data = read_yolo(write_folder(tmp_path, "1 0.5 0.5 1 1\n\n0 0.25 0.125 0.1 0.05\n")).dataset()["train"]
    objects = data[0]["objects"]
    assert [pytest.approx(box, abs=1e-4) for box in objects["bbox"]] == [[0, 0, 100, 80], [20, 8, 10, 4]]
    assert objects["category"] == [1, 0]
    assert data.features["objects"]["category"].feature.names == ["cat", "dog"]
    assert set(objects) == {"bbox", "category", "area"}


def test_polygons_become_outlines_with_the_box_around(tmp_path):
    objects = read_yolo(write_folder(tmp_path, "0 0.1 0.1 0.3 0.1 0.3 0.5\n1 0.5 0.5 0.1 0.1\n")).dataset()["train"][0]
    objects = objects["objects"]
    assert objects["bbox"][0] == pytest.approx([10, 8, 20, 32], abs=1e-4)
    assert objects["segmentation"][0]["polygons"][0] == pytest.approx([10, 8, 30, 8, 30, 40], abs=1e-4)
    assert objects["segmentation"][1] == {"polygons": [], "counts": "", "size": []}
    assert objects["area"] == pytest.approx([320, 80], abs=1e-2)


def test_fractions_are_of_the_upright_picture(tmp_path):
    write_folder(tmp_path, "0 0.5 0.5 1 0.5\n")
    (tmp_path / "a.png").unlink()
    write_picture(tmp_path / "a.jpg", (100, 80), orientation=6)
    row = read_yolo(tmp_path).dataset()["train"][0]
    assert (row["width"], row["height"]) == (80, 100) == row["image"].size
    assert row["objects"]["bbox"] == [[0, 25, 80, 50]]


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("images/{}", "labels/{}"),
        ("{}/images", "{}/labels"),
        ("{}", "{}"),
        ("coco/images/{}2017", "coco/labels/{}2017"),
    ],
)
def test_splits_are_folders_and_names_stand_in_data_yaml(tmp_path, pictures, labels):
    for number, split in enumerate(("train", "val", "test")):
        write_picture(tmp_path / pictures.format(split) / "a.png", seed=number)  # the same name in each
        write_text(tmp_path / labels.format(split) / "a.txt", f"{number % 2} 0.5 0.5 0.{number + 1} 0.5\n")
    write_text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n")
    data = read_yolo(tmp_path).dataset()
    assert list(data) == ["train", "validation", "test"]
    assert [split[0]["objects"]["category"] for split in data.values()] == [[0], [1], [0]]
    assert [split[0]["objects"]["bbox"][0][2] for split in data.values()] == pytest.approx([10, 20, 30])


def test_data_yaml_says_folders_that_are_called_otherwise(tmp_path):
    for folder in ("first", "second"):
        write_picture(tmp_path / "images" / folder / f"{folder}.png")
        write_text(tmp_path / "labels" / folder / f"{folder}.txt", "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "data.yaml", "train: images/first\nval: images/second\nnames: {0: cat}\n")
    data = read_yolo(tmp_path).dataset()
    assert {split: rows.num_rows for split, rows in data.items()} == {"train": 1, "validation": 1}


def test_darknets_lists_say_the_splits(tmp_path):
    for name in "ab":
        write_picture(tmp_path / f"obj_train_data/my {name}.png")
        write_text(tmp_path / f"obj_train_data/my {name}.txt", "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "obj.names", "cat\n")
    write_text(tmp_path / "train.txt", "data/obj_train_data/my a.png\n")
    write_text(tmp_path / "valid.txt", "data/obj_train_data/my b.png\n")
    data = read_yolo(tmp_path).dataset()
    assert {split: rows.num_rows for split, rows in data.items()} == {"train": 1, "validation": 1}


def test_empty_and_missing_files_are_background(tmp_path):
    write_folder(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    write_picture(tmp_path / "b.png")
    write_picture(tmp_path / "c.png")
    write_text(tmp_path / "b.txt", "")
    read = read_yolo(tmp_path)
    assert [len(row["bbox"]) for row in read.dataset()["train"]["objects"]] == [1, 0, 0]
    assert "2 without objects" in str(read.count)


def test_classes_without_names_are_called_by_their_numbers(tmp_path):
    read = read_yolo(write_folder(tmp_path, "2 0.5 0.5 0.5 0.5\n", names=""))
    assert read.dataset()["train"].features["objects"]["category"].feature.names == ["0", "1", "2"]
    assert "called by their numbers" in str(read.count)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0,5 0,5 0,1 0,1", "no commas"),
        ("0 0.5 0.5 50 0.1", "50 is no fraction of the picture"),
        ("5 0.5 0.5 0.1 0.1", "class 5 is none of 0 to 2 in classes.txt"),
        ("-1 0.5 0.5 0.1 0.1", "class -1 is none of 0 to 2"),
        ("0 0.5 0.5 nan 0.1", "no finite number"),
        ("0 0.5 0.5 0.1", "3 values follow the class"),
        ("0 0.5 0.5 0.1 0.1 0.9", "5 values follow the class"),
        ("cat 0.5 0.5 0.1 0.1", "is not numbers alone"),
        ("0 0.9 0.5 0.5 0.1", r"reaches outside the picture of 100 x 80"),
        ("0 0.5 0.5 0 0.1", "has no area"),
        ("0 0.5 0.5 0.5 0.5", "a second time the one at a.txt:1"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(tmp_path, line, said):
    write_folder(tmp_path, f"0 0.5 0.5 0.5 0.5\n{line}\n", names="cat\ndog\nowl\n")
    with pytest.raises(DataError, match=rf"1 bad label .*: a.txt:2: .*{said}"):
        read_yolo(tmp_path).dataset()
    assert len(read_yolo(tmp_path, skip_bad=True).dataset()["train"][0]["objects"]["bbox"]) == 1


def test_classes_that_count_from_one_are_refused_whatever_is_skipped(tmp_path):
    write_folder(tmp_path, "1 0.5 0.5 0.5 0.5\n2 0.2 0.2 0.1 0.1\n")
    for skip_bad in (False, True):
        with pytest.raises(
            DataError, match=r"a.txt:2: the classes go from 1 to 2, but the 2 of classes.txt count from 0"
        ):
            read_yolo(tmp_path, skip_bad=skip_bad).dataset()


def test_labels_without_a_picture_are_named(tmp_path):
    write_folder(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "b.txt", "0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=r"b.txt: no one picture of the folder is called 'b'"):
        read_yolo(tmp_path).dataset()


def test_texts_beside_pictures_are_not_taken(tmp_path):
    write_folder(tmp_path, "a photograph of 2 cats\n", names="")
    assert read_yolo(tmp_path) is None


def test_two_pictures_of_one_name_do_not_share_labels(tmp_path):
    write_folder(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    write_picture(tmp_path / "a.jpg")
    write_text(tmp_path / "README.dataset.txt", "1 2 3 4 5")
    read = read_yolo(tmp_path)
    with pytest.raises(DataError, match=r"a.txt: no one picture of the folder is called 'a'"):
        read.dataset()
    assert list(read.count.left_out.values()) == [["README.dataset.txt"]]


def test_labels_that_are_no_text_are_named(tmp_path):
    write_folder(tmp_path, "0 0.5 0.5 0.5 0.5\n")
    write_picture(tmp_path / "b.png")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(DataError, match=r"1 bad label .*b.txt is no text in UTF-8"):
        read_yolo(tmp_path).dataset()
    assert read_yolo(tmp_path, skip_bad=True).dataset()["train"].num_rows == 1
