"""`tsugiki check-annotations` and `tsugiki convert-annotations`, as functions and as commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki_detection.annotations import check_command, convert_command
from tsugiki_detection.annotations.annotation_formats import read_annotations
from tsugiki_detection.annotations.check_command import check
from tsugiki_detection.annotations.convert_command import convert

from .labelled_pictures import coco_table, write_coco_folder, write_numbers, write_picture, write_text


@pytest.fixture
def pets(tmp_path):
    table = coco_table(
        {"bbox": [1, 2, 3, 4]}, {"bbox": [90, 2, 30, 4]}, {"bbox": [5, 5, 5, 5], "category_id": 3}, images=2
    )
    return write_coco_folder(tmp_path / "pets", table)


def test_a_check_counts_and_names(pets, capsys):
    facts = check(str(pets))
    assert facts == {
        "format": "coco",
        "splits": {"train": 2},
        "pictures": 2,
        "background": 1,
        "objects": 3,
        "classes": {"cat": 1, "dog": 2},
        "findings": [
            {
                "place": "annotations.json annotation 2",
                "kind": "box outside the picture",
                "text": "the box [90, 2, 30, 4] (x, y, width, height) reaches outside the picture of 100 x 80",
            }
        ],
        "refused": True,
    }
    facts = check(str(pets), skip_bad=True)
    assert (facts["objects"], facts["refused"], len(facts["findings"])) == (2, False, 1)
    with pytest.raises(typer.Exit):
        check_command.command(str(pets))
    lines = capsys.readouterr().out.splitlines()
    assert "annotations.json annotation 2" in lines[2]
    assert lines[-1] == (
        "coco: 2 pictures (train 2), 1 of them background, 3 objects (cat 1, dog 2); box outside the picture 1"
    )
    check_command.command(str(pets), skip_bad=True, json=True)
    assert json.loads(capsys.readouterr().out)["objects"] == 2


def test_a_conversion_is_whole_or_not_at_all(pets, tmp_path, capsys):
    target = tmp_path / "made"
    with pytest.raises(DataError, match=r"1 bad label .*annotation 2"):
        convert(str(pets), str(target), "yolo")
    assert not target.exists()
    convert_command.command(str(pets), str(target), "yolo", classes="cat=pet,dog=pet", skip_bad=True)
    printed = capsys.readouterr()
    assert printed.out == f"{target}\n"
    assert "left out as bad: box outside the picture 1" in printed.err
    data = read_annotations(target).dataset()["train"]
    assert data.features["objects"]["category"].feature.names == ["pet"]
    assert [len(row["bbox"]) for row in data["objects"]] == [2, 0]
    with pytest.raises(OutputError, match="exists already"):
        convert(str(pets), str(target), "voc", skip_bad=True)


def test_what_cannot_be_is_said_before_anything_is_written(pets, tmp_path):
    with pytest.raises(OptionError, match="--to is one of coco, voc, yolo, masks, not 'csv'"):
        convert(str(pets), str(tmp_path / "made"), "csv")
    with pytest.raises(DataError, match="the map drops all"):
        convert(str(pets), str(tmp_path / "made"), "yolo", classes={"*": ""}, skip_bad=True)
    with pytest.raises(DataError, match="boxes alone, and masks need outlines"):
        convert(str(pets), str(tmp_path / "made"), "masks", skip_bad=True)
    with pytest.raises(OptionError, match="unknown format 'vox'"):
        convert(str(pets), str(tmp_path / "made"), "yolo", format_name="vox")
    with pytest.raises(OutputError, match="which is read"):
        convert(str(pets), str(pets / "made"), "yolo", skip_bad=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets"]


def test_masks_of_classes_alone_are_written_as_masks(tmp_path):
    write_picture(tmp_path / "source/images/a.png", (4, 2))
    write_numbers(tmp_path / "source/masks/a.png", [[0, 1, 2, 255], [0, 0, 0, 0]])
    write_text(tmp_path / "source/classes.txt", "background\ncat\ndog\n")
    facts = convert(str(tmp_path / "source"), str(tmp_path / "made"), "masks", classes={"dog": "cat"})
    assert facts["splits"] == {"train": 1}
    data = read_annotations(tmp_path / "made").dataset()["train"]
    assert data.features["classes"].feature.names == ["background", "cat"]
    assert np.asarray(data[0]["mask"]).tolist() == [[0, 1, 1, 255], [0, 0, 0, 0]]
    with pytest.raises(DataError, match="in the format masks, which has no objects to write as coco"):
        convert(str(tmp_path / "source"), str(tmp_path / "other"), "coco")


@pytest.mark.data("tsugiki/raccoon")
def test_data_by_name_is_checked_and_converted(tmp_path):
    facts = check("tsugiki/raccoon")
    assert facts["format"] == "objects"
    assert facts["pictures"] > 100
    assert set(facts["classes"]) == {"raccoon"}
