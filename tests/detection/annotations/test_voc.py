"""Pascal VOC's XML: corners, splits, lines."""

from __future__ import annotations

import pytest
from tsugiki.errors import DataError
from tsugiki_detection.annotations.voc import parse_xml, read_voc

from .labelled_pictures import voc_xml, write_picture, write_text


def test_corners_count_from_one_and_end_with_the_last_pixel(tmp_path):
    write_picture(tmp_path / "JPEGImages/a.png")
    whole = voc_xml(("cat", 1, 1, 100, 80), ("dog", 11, 21.5, 20, 30), extra="<difficult>1</difficult>")
    write_text(tmp_path / "Annotations/a.xml", whole)
    data = read_voc(tmp_path).dataset()["train"]
    assert data[0]["objects"] == {
        "bbox": [[0, 0, 100, 80], [10, 20.5, 10, 9.5]],
        "category": [0, 1],
        "area": [8000, 95],
        "difficult": [True, True],
    }
    assert data.features["objects"]["category"].feature.names == ["cat", "dog"]


def test_corners_of_a_folder_with_a_box_at_zero_count_from_zero(tmp_path):
    for name, box in (("a", ("cat", 0, 10, 50, 60)), ("b", ("cat", 5, 6, 7, 8))):
        write_picture(tmp_path / f"{name}.png")
        write_text(tmp_path / f"{name}.xml", voc_xml(box))
    read = read_voc(tmp_path)
    assert [row["bbox"] for row in read.dataset()["train"]["objects"]] == [[[0, 10, 50, 50]], [[5, 6, 2, 2]]]
    assert "counted from 0" in str(read.count)


def test_lists_say_the_splits(tmp_path):
    for name in "abcd":
        write_picture(tmp_path / f"VOC2012/JPEGImages/{name}.png")
        write_text(tmp_path / f"VOC2012/Annotations/{name}.xml", voc_xml(("cat", 1, 1, 9, 9)))
    lists = tmp_path / "VOC2012/ImageSets/Main"
    for name, lines in {"train": "a\n", "val": "b  1\n", "trainval": "a\nb\n", "cat_train": "a 1\n"}.items():
        write_text(lists / f"{name}.txt", lines)
    read = read_voc(tmp_path)
    assert {split: rows.num_rows for split, rows in read.dataset().items()} == {"train": 1, "validation": 1}
    assert len(read.count.left_out["in no list of a split"]) == 2
    write_text(lists / "val.txt", "b\nx\n")
    write_text(lists / "test.txt", "a\n")
    with pytest.raises(DataError, match=r"2 bad labels .*Main/val.txt:2: no one picture .*'x'"):
        read_voc(tmp_path).dataset()


@pytest.mark.parametrize("layout", ["{}/images/{}.png {}/annotations/{}.xml", "{}/{}.png {}/{}.xml"])
def test_folders_say_the_splits(tmp_path, layout):
    for split, name in (("train", "a"), ("valid", "b")):
        picture, label = layout.split()
        write_picture(tmp_path / picture.format(split, name))
        write_text(tmp_path / label.format(split, name), voc_xml(("cat", 1, 1, 9, 9)))
    assert list(read_voc(tmp_path).dataset()) == ["train", "validation"]


def test_a_picture_without_labels_is_background(tmp_path):
    for name in "ab":
        write_picture(tmp_path / f"{name}.png")
    write_text(tmp_path / "a.xml", voc_xml(("cat", 1, 1, 9, 9)))
    read = read_voc(tmp_path)
    assert read.dataset()["train"][1]["objects"]["bbox"] == []
    assert "1 without objects: background" in str(read.count)


def test_the_name_inside_finds_a_picture_that_is_called_otherwise(tmp_path):
    write_picture(tmp_path / "a.png")
    text = voc_xml(("cat", 1, 1, 9, 9)).replace("<size>", "<filename>C:\\photos\\a.png</filename><size>")
    write_text(tmp_path / "labels_of_a.xml", text)
    assert read_voc(tmp_path).dataset()["train"][0]["objects"]["bbox"] == [[0, 0, 9, 9]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (voc_xml(("cat", 1, 1, 9, 9), ("cat", 20, 1, 9, 9)), r"a.xml:4: the box .* ends before it begins"),
        (
            voc_xml(("cat", 1, 1, 9, 9), ("cat", "ten", 1, 9, 9)),
            r"a.xml:4: the corners are no four numbers: xmin 'ten'",
        ),
        (voc_xml(("", 1, 1, 9, 9)), r"a.xml:3: the object has no name"),
        ("<annotation>\n<object>\n</annotation>", r"a.xml:3: this is no XML: mismatched tag"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE annotation [<!ENTITY a "aa">]>\n<annotation>&a;</annotation>',
            r"a.xml:2: a document type is declared",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(tmp_path, text, said):
    write_picture(tmp_path / "a.png")
    write_text(tmp_path / "a.xml", text)
    with pytest.raises(DataError, match=said):
        read_voc(tmp_path).dataset()


def test_elements_know_their_lines():
    root = parse_xml(b"<a>\n <b>x</b>\n\n <b>y</b></a>")
    assert [(child.tag, child.line, child.text) for child in root.children] == [("b", 2, "x"), ("b", 4, "y")]
    with pytest.raises(ValueError, match="1: this is no XML"):
        parse_xml(b"")


def test_other_xml_is_not_taken(tmp_path):
    write_picture(tmp_path / "a.png")
    write_text(tmp_path / "a.xml", "<svg></svg>")
    assert read_voc(tmp_path) is None
