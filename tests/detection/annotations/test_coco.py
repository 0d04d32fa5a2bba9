"""COCO's JSON: where files lie, ids, outlines, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tsugiki.errors import DataError
from tsugiki_detection.annotations.annotation_formats import read_annotations
from tsugiki_detection.annotations.coco import read_coco

from .labelled_pictures import coco_table, write_coco_folder, write_picture, write_text


def test_boxes_classes_and_crowds_are_read(tmp_path):
    table = coco_table(
        {"bbox": [10.5, 20, 30, 40], "area": 700.25, "category_id": 3},
        {"bbox": [0, 0, 100, 80], "iscrowd": 1},
        images=2,
    )
    read = read_coco(write_coco_folder(tmp_path, table))
    data = read.dataset()["train"]
    objects = data[0]["objects"]
    assert objects["bbox"] == [[10.5, 20, 30, 40], [0, 0, 100, 80]]
    assert data.features["objects"]["category"].feature.names == ["cat", "dog"]
    assert objects["category"] == [0, 1]
    assert objects["area"] == [700.25, 8000]
    assert objects["iscrowd"] == [False, True]
    assert (data[0]["width"], data[0]["height"]) == (100, 80)
    assert data[0]["image"].size == (100, 80)
    assert data[1]["objects"]["bbox"] == []
    assert "1 without objects" in str(read.count)
    assert read.count.numbers == {"found": 3, "read": 3, "left_out": 0}


@pytest.mark.parametrize(
    ("table", "pictures"),
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}.json", "images/{}"),
        ("{}/_annotations.coco.json", "{}"),
        ("{}.json", "images/{}"),
        ("coco/labels/{}.json", "coco/data"),
    ],
)
def test_splits_are_found_by_file_or_folder(tmp_path, table, pictures):
    for number, split in enumerate(("train", "val")):
        content = coco_table({"bbox": [1, 2, 3, 4]})
        content["images"][0]["file_name"] = name = f"{split}.png"
        write_picture(tmp_path / pictures.format(split) / name, seed=number)
        write_text(tmp_path / table.format(split), json.dumps(content))
    data = read_coco(tmp_path).dataset()
    assert list(data) == ["train", "validation"]
    assert [split[0]["objects"]["bbox"] for split in data.values()] == [[[1, 2, 3, 4]]] * 2


def test_pictures_of_one_name_are_told_apart_by_split(tmp_path):
    for number, split in enumerate(("train", "val")):
        write_picture(tmp_path / split / "0.png", (100 - number, 80), seed=number)
        content = coco_table({"bbox": [1, 2, 3, 4]}, size=(100 - number, 80))
        write_text(tmp_path / "annotations" / f"instances_{split}.json", json.dumps(content))
    data = read_coco(tmp_path).dataset()
    assert [split[0]["width"] for split in data.values()] == [100, 99]


def test_instances_go_before_keypoints_and_captions(tmp_path):
    write_coco_folder(tmp_path, coco_table({"bbox": [1, 2, 3, 4]}))
    (tmp_path / "annotations.json").rename(tmp_path / "instances_train.json")
    other = coco_table({"bbox": [5, 5, 5, 5]})
    write_text(tmp_path / "person_keypoints_train.json", json.dumps(other))
    del other["annotations"]
    write_text(tmp_path / "image_info_test.json", json.dumps(other))
    read = read_coco(tmp_path)
    assert read.dataset()["train"]["objects"][0]["bbox"] == [[1, 2, 3, 4]]
    assert read.count.left_out == {
        "lists pictures without annotations": ["image_info_test.json"],
        "beside instances_train.json": ["person_keypoints_train.json"],
    }


def test_roboflows_group_is_no_class(tmp_path):
    table = coco_table({"bbox": [1, 2, 3, 4]})
    table["categories"] = [{"id": 0, "name": "pets", "supercategory": "none"}] + [
        {**row, "supercategory": "pets"} for row in table["categories"]
    ]
    data = read_coco(write_coco_folder(tmp_path, table)).dataset()["train"]
    assert data.features["objects"]["category"].feature.names == ["cat", "dog"]


def test_outlines_are_polygons_or_runs(tmp_path):
    polygon = [10, 10, 20, 10, 20, 30.5]
    mask = np.zeros((80, 100), np.uint8)
    mask[5:9, 50:60] = 1
    runs, value = [0], 0  # column by column, the background first
    for pixel in mask.T.ravel():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    from faster_coco_eval import mask as coco_masks

    compressed = coco_masks.encode(np.asfortranarray(mask))["counts"].decode()
    table = coco_table(
        {"bbox": [10, 10, 10, 20.5], "segmentation": [polygon, [1, 1, 2, 1, 2, 2]]},
        {"segmentation": {"counts": runs, "size": [80, 100]}},
        {"bbox": [50, 5, 10, 4.5], "segmentation": {"counts": compressed, "size": [80, 100]}},
    )
    objects = read_coco(write_coco_folder(tmp_path, table)).dataset()["train"][0]["objects"]
    first, second, third = objects["segmentation"]
    assert first == {"polygons": [polygon, [1, 1, 2, 1, 2, 2]], "counts": "", "size": []}
    assert second == third == {"polygons": [], "counts": compressed, "size": [80, 100]}
    assert objects["bbox"][1] == [50, 5, 10, 4]
    assert objects["area"] == pytest.approx([10 * 20.5 / 2 + 0.5, 40, 40])


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"bbox": [1, 2, 3]}, "annotation 1: its bbox is to be"),
        ({"bbox": None}, "annotation 1: it has neither a bbox nor a segmentation"),
        (
            {"bbox": [1, 2, 3, 4], "category_id": 5},
            r"annotation 1: its category_id 5 is none of the categories \(3 to 7",
        ),
        ({"bbox": [1, 2, 3, 4], "image_id": 99}, "annotation 1: it is of image 99"),
        ({"bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3, 4]]}, "a polygon of its segmentation is no list of three"),
        (
            {"segmentation": {"counts": [1, 2], "size": [80, 100]}},
            "the run lengths hold 3 pixels, a picture of 100 x 80",
        ),
        ({"segmentation": {"counts": "~~", "size": [80, 100]}}, "no sign of run lengths"),
        ({"segmentation": {"counts": [80], "size": [8, 10]}, "bbox": [1, 2, 3, 4]}, "its mask is 10 x 8, but 0.png is"),
        ({"bbox": [float("nan"), 2, 3, 4]}, "no finite number"),
        (
            {"bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 1e9, 4, 5, 6]]},
            "a point of its outline lies outside the picture",
        ),
    ],
)
def test_what_is_wrong_with_an_annotation_is_named_by_its_id(tmp_path, annotation, said):
    table = coco_table(annotation, {"bbox": [1, 2, 3, 4]})
    with pytest.raises(DataError, match=f"annotations.json {said}|annotations.json annotation 1: .*{said}"):
        read_coco(write_coco_folder(tmp_path, table)).dataset()
    read = read_coco(tmp_path, skip_bad=True)
    assert read.dataset()["train"][0]["objects"]["bbox"] == [[1, 2, 3, 4]]
    assert "left out as bad" in str(read.count)


def test_a_picture_that_is_not_there_is_named_once(tmp_path):
    write_coco_folder(tmp_path, coco_table({"bbox": [1, 2, 3, 4]}, images=2))
    (tmp_path / "0.png").unlink()
    with pytest.raises(DataError, match=r"1 bad label .*annotations.json image 10: no one picture .* called '0.png'"):
        read_coco(tmp_path).dataset()


def test_broken_json_is_named_by_its_line(tmp_path):
    write_coco_folder(tmp_path, coco_table({"bbox": [1, 2, 3, 4]}))
    text = json.dumps(coco_table({"bbox": [1, 2, 3, 4]}), indent=1)
    write_text(tmp_path / "annotations.json", text[:-20])
    with pytest.raises(DataError, match=rf"annotations.json:{text[:-20].count(chr(10)) + 1}: this is no JSON"):
        read_coco(tmp_path).dataset()


def test_two_files_of_one_split_are_refused(tmp_path):
    write_coco_folder(tmp_path, coco_table({"bbox": [1, 2, 3, 4]}))
    write_text(tmp_path / "more.json", json.dumps(coco_table()))
    with pytest.raises(DataError, match=r"annotations.json, more.json are all of the split train"):
        read_coco(tmp_path).dataset()


def test_other_json_is_not_taken(tmp_path):
    write_picture(tmp_path / "0.png")
    write_text(tmp_path / "metadata.jsonl", json.dumps({"file_name": "0.png", "objects": {"bbox": [[1, 2, 3, 4]]}}))
    write_text(tmp_path / "other.json", json.dumps([{"images": 3}]))
    assert read_coco(tmp_path) is None


def test_the_objects_column_of_a_folder_gives_the_same_form(tmp_path):
    write_picture(tmp_path / "0.png")
    row = {"file_name": "0.png", "objects": {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": ["dog"]}}
    write_text(tmp_path / "metadata.jsonl", json.dumps(row))
    data = read_annotations(tmp_path).dataset()["train"]
    assert data[0]["objects"] == {"bbox": [[1, 2, 3, 4]], "category": [0], "area": [12]}
    assert data.features["objects"]["category"].feature.names == ["dog"]


def test_a_folder_is_read_again_when_it_has_changed(tmp_path):
    write_coco_folder(tmp_path, coco_table({"bbox": [1, 2, 3, 4]}))
    first = read_coco(tmp_path)
    assert read_coco(tmp_path) is first
    assert read_coco(tmp_path, skip_bad=True) is not first
    write_text(tmp_path / "annotations.json", json.dumps(coco_table({"bbox": [10, 20, 30, 40]})))
    assert read_coco(tmp_path).dataset()["train"][0]["objects"]["bbox"] == [[10, 20, 30, 40]]


def test_two_classes_of_one_id_are_refused(tmp_path):
    table = coco_table({"bbox": [1, 2, 3, 4]})
    table["categories"][1]["id"] = 7
    with pytest.raises(DataError, match=r"annotations.json: 'dog' and 'cat' are both the category 7"):
        read_coco(write_coco_folder(tmp_path, table)).dataset()
