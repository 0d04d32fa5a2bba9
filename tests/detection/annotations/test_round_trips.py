"""Labels through one format after another, and back."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
from tsugiki.data.load_data import load_split
from tsugiki_detection.annotations.annotation import Outline
from tsugiki_detection.annotations.annotation_formats import READERS, read_annotations
from tsugiki_detection.annotations.coco import read_coco
from tsugiki_detection.annotations.coco_writer import write_coco
from tsugiki_detection.annotations.mask_writer import write_masks
from tsugiki_detection.annotations.outlines import outline_of_pixels, pixels_of, single_polygon
from tsugiki_detection.annotations.voc import read_voc
from tsugiki_detection.annotations.voc_writer import write_voc
from tsugiki_detection.annotations.yolo_writer import write_yolo

from .labelled_pictures import coco_table, write_coco_folder

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "masks": write_masks}


def through(data, *formats, folder):
    """What is left of data that was written and read in one format after another; and what was said of losses."""
    said = []
    for number, name in enumerate(formats):
        target = folder / f"{number}-{name}"
        target.mkdir(parents=True)
        said += WRITERS[name](data, target)
        assert [found for found, reader in READERS.items() if reader(target)] == [name]
        data = read_annotations(target).dataset()
    return data, said


def sorted_by_name(dataset):
    """Rows in the order in which a reader finds their files."""
    encoded = dataset.cast_column("image", datasets.Image(decode=False))["image"]
    return dataset.select(sorted(range(len(encoded)), key=lambda row: encoded[row]["path"]))


def boxes(data, split="train"):
    names = data[split].features["objects"]["category"].feature.names
    objects = data[split]["objects"]
    return [
        [(names[category], *box) for category, box in zip(row["category"], row["bbox"], strict=True)] for row in objects
    ]


def assert_same_boxes(one, other):
    assert len(one) == len(other)
    for of_one, of_other in zip(one, other, strict=True):
        assert [box[0] for box in of_one] == [box[0] for box in of_other]
        assert np.array([box[1:] for box in of_one]) == pytest.approx(np.array([box[1:] for box in of_other]), abs=1e-3)


@pytest.mark.data("tsugiki/bccd")
def test_blood_cells_pass_through_all_formats_of_boxes(tmp_path):
    data = datasets.DatasetDict(
        {split: sorted_by_name(load_split("tsugiki/bccd", split).select(range(6))) for split in ("train", "validation")}
    )
    made, said = through(data, "coco", "voc", "yolo", "voc", "coco", "yolo", "coco", folder=tmp_path)
    for split in data:
        assert_same_boxes(boxes(data, split), boxes(made, split))
        one, other = (
            of.cast_column("image", datasets.Image(decode=False))["image"] for of in (data[split], made[split])
        )
        assert [row["bytes"] for row in one] == [Path(row["path"]).read_bytes() for row in other]
        assert data[split]["width"] == made[split]["width"]
    assert said == []


@pytest.mark.data("tsugiki/nuclei")
def test_nuclei_pass_through_all_formats_with_their_pixels(tmp_path):
    data = datasets.DatasetDict(train=sorted_by_name(load_split("tsugiki/nuclei", "train").select(range(8))))
    made, said = through(data, "masks", "coco", "masks", "coco", "yolo", "coco", "masks", folder=tmp_path)
    assert_same_boxes(boxes(data), boxes(made))
    for before, after in zip(data["train"], made["train"], strict=True):
        assert np.array_equal(np.asarray(before["mask"]), np.asarray(after["instances"]))
        assert before["objects"]["area"] == after["objects"]["area"]
    assert said == []
    made, said = through(data, "voc", folder=tmp_path / "boxes")
    assert_same_boxes(boxes(data), boxes(made))
    [line] = said
    assert line.startswith("Pascal VOC's XML has no outlines: those of ")


def test_flags_and_outlines_are_kept_or_said(tmp_path):
    table = coco_table(
        {"bbox": [10.5, 20, 30, 40], "category_id": 3, "segmentation": [[10.5, 20, 40.5, 20, 40.5, 60]]},
        {"bbox": [0, 0, 100, 80], "iscrowd": 1, "segmentation": {"counts": [0, 8000], "size": [80, 100]}},
        {"bbox": [1, 1, 5, 5]},
        images=2,
    )
    data = read_coco(write_coco_folder(tmp_path / "source", table)).dataset()
    made, said = through(data, "coco", folder=tmp_path / "a")
    assert made["train"]["objects"] == data["train"]["objects"]
    assert said == []
    made, said = through(data, "voc", folder=tmp_path / "b")
    assert made["train"][0]["objects"]["iscrowd"] == [False, True, False]
    assert made["train"][0]["objects"]["difficult"] == [False, False, False]
    assert_same_boxes(boxes(data), boxes(made))
    assert said == ["Pascal VOC's XML has no outlines: those of 2 objects are lost"]
    made, said = through(data, "yolo", folder=tmp_path / "c")
    assert said == ["YOLO's format has no crowds: 1 are left out"]
    assert made["train"][0]["objects"]["bbox"] == [pytest.approx(box) for box in ([10.5, 20, 30, 40], [1, 1, 5, 5])]
    assert len(made["train"][0]["objects"]["segmentation"][0]["polygons"][0]) == 6
    made, said = through(data, "masks", folder=tmp_path / "d")
    assert sorted(said) == [
        "masks have no crowds: 1 are left out",
        "masks hold no boxes: those of 1 objects become the boxes of their pixels",
        "masks need outlines: 1 objects with a box alone are left out",
    ]


def test_pixels_with_holes_in_parts_are_one_polygon():
    random = np.random.default_rng(0)
    for size in ((1, 1), (5, 9), (30, 20)):
        for _ in range(20):
            pixels = random.random(size) < 0.5
            pixels[0, 0] = True
            polygon = single_polygon(outline_of_pixels(pixels), *size)
            assert np.array_equal(pixels_of(Outline((polygon,)), *size), pixels)


def test_difficult_objects_stay_difficult(tmp_path):
    from .labelled_pictures import voc_xml, write_picture, write_text

    write_picture(tmp_path / "source/a.png")
    text = voc_xml(("cat", 1, 1, 9, 9), ("dog", 2, 2, 9.25, 9))
    write_text(tmp_path / "source/a.xml", text.replace("</name>", "</name><difficult>1</difficult>", 1))
    data = read_voc(tmp_path / "source").dataset()
    made, said = through(data, "coco", "voc", "coco", folder=tmp_path)
    assert made["train"][0]["objects"]["difficult"] == [True, False]
    assert_same_boxes(boxes(data), boxes(made))
    assert said == []


def test_pictures_of_one_name_and_pictures_in_memory_get_names_of_their_own(tmp_path):
    from PIL import Image

    objects = {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": [0]}
    features = datasets.Features(
        image=datasets.Image(),
        objects={
            "bbox": datasets.List(datasets.List(datasets.Value("float32"), length=4)),
            "category": datasets.List(datasets.ClassLabel(names=["cat"])),
        },
    )
    pictures = [Image.new("L", (10, 10), number) for number in range(3)]
    data = datasets.Dataset.from_dict({"image": pictures, "objects": [objects] * 3}, features)
    made, _ = through(data, "yolo", "coco", "voc", folder=tmp_path)
    assert [row["image"].getpixel((0, 0)) for row in made["train"]] == [0, 1, 2]
    assert boxes(made) == [[("cat", 1, 2, 3, 4)]] * 3
