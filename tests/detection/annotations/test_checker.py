"""What the checker finds: boxes, sizes, turned pictures, splits."""

from __future__ import annotations

import json
import shutil

import pytest
from tsugiki.errors import DataError
from tsugiki_detection.annotations.annotation_formats import read_annotations
from tsugiki_detection.annotations.coco import read_coco

from .labelled_pictures import coco_table, voc_xml, write_coco_folder, write_picture, write_text

KINDS = {
    "box outside the picture": [90, 10, 20, 20],
    "inverted box": [50, 50, -10, 5],
    "box without area": [50, 50, 0, 5],
    "box that is not finite": [50, float("inf"), 10, 5],
}


def kinds_of(folder, **options):
    return [one.kind for one in read_annotations(folder, **options).findings]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_box_is_found(tmp_path, kind):
    table = coco_table({"bbox": [1, 2, 3, 4]}, {"bbox": KINDS[kind]}, {"bbox": [5, 6, 7, 8]})
    [finding] = read_annotations(write_coco_folder(tmp_path, table)).findings
    assert (finding.kind, finding.place) == (kind, "annotations.json annotation 2")


def test_less_than_a_pixel_outside_is_rounding(tmp_path):
    table = coco_table({"bbox": [-0.9, -0.9, 101.8, 81.8]}, {"bbox": [-1, 0, 5, 5]})
    [finding] = read_annotations(write_coco_folder(tmp_path, table)).findings
    assert finding.place.endswith("annotation 2")


def test_many_findings_are_one_error_that_shows_the_first(tmp_path):
    table = coco_table(*({"bbox": [number, 0, 0, 5]} for number in range(12)))
    with pytest.raises(DataError, match=r"12 bad labels .*annotation 1: .*annotation 5: .*; and 7 more$") as error:
        read_coco(write_coco_folder(tmp_path, table)).dataset()
    assert "annotation 6:" not in str(error.value)
    read = read_coco(tmp_path, skip_bad=True)
    assert read.dataset()["train"][0]["objects"]["bbox"] == []
    assert "left out as bad: box without area 12" in read.count.note


def test_corners_read_as_sizes_are_refused_whatever_is_skipped(tmp_path):
    corners = [[10, 10, 95, 70], [40, 30, 90, 75], [5, 50, 25, 60], [60, 5, 80, 75]]
    folder = write_coco_folder(tmp_path, coco_table(*({"bbox": box} for box in corners)))
    for skip_bad in (False, True):
        with pytest.raises(DataError, match=r"4 of 4 boxes reach outside .* 4 fit when .* corners"):
            read_coco(folder, skip_bad=skip_bad).dataset()


def test_boxes_that_only_reach_outside_are_no_corners(tmp_path):
    boxes = [[80, 10, 40, 30], [70, 30, 50, 20], [5, 50, 25, 20], [60, 5, 20, 15]]
    folder = write_coco_folder(tmp_path, coco_table(*({"bbox": box} for box in boxes)))
    assert kinds_of(folder) == ["box outside the picture"] * 2


def test_yolos_corners_read_as_centres_are_refused(tmp_path):
    write_picture(tmp_path / "a.png")
    lines = ["0 0.1 0.1 0.9 0.9", "0 0.2 0.1 0.8 0.6", "0 0.3 0.3 0.9 0.7"]
    write_text(tmp_path / "a.txt", "\n".join(lines))
    assert kinds_of(tmp_path) == ["corners read as sizes"]


def test_a_box_twice_is_found_and_two_classes_in_one_box_are_not(tmp_path):
    table = coco_table({"bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3, 4], "category_id": 3}, {"bbox": [1, 2, 3, 4]})
    [finding] = read_annotations(write_coco_folder(tmp_path, table)).findings
    assert str(finding) == (
        "annotations.json annotation 3: this box of 'dog' is a second time the one at annotations.json annotation 1"
    )


def test_a_declared_size_unlike_the_pictures_is_found(tmp_path):
    write_picture(tmp_path / "a.png", (100, 80))
    write_text(tmp_path / "a.xml", voc_xml(("cat", 1, 1, 9, 9), size=(200, 160)))
    [finding] = read_annotations(tmp_path).findings
    assert str(finding) == "a.xml: the labels say 200 x 160, but a.png is 100 x 80"
    write_text(tmp_path / "a.xml", voc_xml(("cat", 1, 1, 9, 9), size=(0, 0)))  # as some programs leave it
    assert kinds_of(tmp_path) == []


@pytest.mark.parametrize("declared", [True, False])
def test_labels_of_a_picture_before_it_is_turned_are_found(tmp_path, declared):
    folder = write_coco_folder(tmp_path, coco_table({"bbox": [60, 20, 40, 30]}))
    table = json.loads((folder / "annotations.json").read_text())
    (folder / "0.png").unlink()
    write_picture(folder / "0.jpg", (100, 80), orientation=6)  # 80 x 100 upright
    table["images"][0]["file_name"] = "0.jpg"
    if not declared:
        del table["images"][0]["width"]
    write_text(folder / "annotations.json", json.dumps(table))
    assert kinds_of(folder) == ["labels of an unturned picture"]
    with pytest.raises(DataError, match="no picture is left"):
        read_coco(folder, skip_bad=True).dataset()


def test_labels_of_the_upright_picture_are_right(tmp_path):
    table = coco_table({"bbox": [0, 60, 80, 40]}, size=(80, 100))
    table["images"][0]["file_name"] = "0.jpg"
    write_text(tmp_path / "annotations.json", json.dumps(table))
    write_picture(tmp_path / "0.jpg", (100, 80), orientation=8)
    row = read_annotations(tmp_path).dataset()["train"][0]
    assert (row["width"], row["height"]) == row["image"].size == (80, 100)


def test_a_picture_in_two_splits_is_found_by_its_content(tmp_path):
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        write_picture(tmp_path / split / f"{name}.png")
        write_text(tmp_path / split / f"{name}.txt", "0 0.5 0.5 0.5 0.5\n")
    assert kinds_of(tmp_path) == []
    shutil.copy(tmp_path / "train/b.png", tmp_path / "val/c.png")
    [finding] = read_annotations(tmp_path).findings
    assert str(finding) == "train/b.txt: b.png of train is in validation too, there at val/c.txt"
    data = read_annotations(tmp_path, skip_bad=True).dataset()
    assert {split: rows.num_rows for split, rows in data.items()} == {"train": 1, "validation": 1}


def test_pictures_of_one_pixel_and_files_that_are_none_are_found(tmp_path):
    write_picture(tmp_path / "a.png", (1, 1))
    (tmp_path / "b.png").write_bytes(b"none")
    for name in "ab":
        write_text(tmp_path / f"{name}.txt", "0 0.5 0.5 1 1\n")
    assert sorted(kinds_of(tmp_path)) == ["picture of one pixel", "picture that does not open"]


def test_500_objects_in_one_picture_are_fine(tmp_path):
    boxes = ({"bbox": [number % 50, number // 50, 5, 5]} for number in range(500))
    read = read_annotations(write_coco_folder(tmp_path, coco_table(*boxes)))
    assert read.findings == []
    assert len(read.dataset()["train"][0]["objects"]["bbox"]) == 500


def test_a_folder_in_two_formats_is_told(tmp_path):
    write_picture(tmp_path / "a.png")
    write_text(tmp_path / "a.txt", "0 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "a.xml", voc_xml(("cat", 1, 1, 9, 9)))
    with pytest.raises(DataError, match="is voc and yolo; say which with --format"):
        read_annotations(tmp_path)
    assert read_annotations(tmp_path, format_name="voc").dataset()["train"][0]["objects"]["bbox"] == [[0, 0, 9, 9]]
