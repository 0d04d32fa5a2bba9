"""Tables of landmarks: columns, splits, and what is refused."""

from __future__ import annotations

import pytest
from tsugiki.errors import DataError
from tsugiki_detection.annotations.landmark_tables import landmark_names, read_landmarks

from .labelled_pictures import write_picture, write_text


@pytest.mark.parametrize(
    "header",
    ["file_name,x_1,y_1,visible_1,x_2,y_2,visible_2", "image;eye_x;eye_y;eye_visible;nose_x;nose_y;nose_visible"],
)
def test_points_are_x_y_and_visible(tmp_path, header):
    write_picture(tmp_path / "a.png")
    row = "a.png,10.5,20,1,,,0\n".replace(",", ";" if ";" in header else ",")
    write_text(tmp_path / "points.csv", f"{header}\n{row}")
    data = read_landmarks(tmp_path).dataset()["train"]
    assert data.column_names == ["image", "width", "height", "keypoints"]
    assert data[0]["keypoints"] == [[10.5, 20, 1], [0, 0, 0]]


def test_points_without_a_word_on_it_are_visible_and_tables_name_splits(tmp_path):
    for split in ("train", "test"):
        write_picture(tmp_path / "pictures" / f"{split}.png")
        write_text(tmp_path / f"{split}_points.csv", f"name,x1,y1,x2,y2,x3,y3\n{split},1,2,3,4,5,6\n")
    data = read_landmarks(tmp_path).dataset()
    assert list(data) == ["train", "test"]
    assert data["test"][0]["keypoints"] == [[1, 2, 1], [3, 4, 1], [5, 6, 1]]


def test_corners_of_boxes_are_no_points():
    assert landmark_names(["file", "x1", "y1", "x2", "y2", "class"]) == {}
    assert landmark_names(["file", "x_min", "y_min", "x_max", "y_max"]) == {}
    assert landmark_names(["xmin", "ymin", "width"]) == {}
    assert landmark_names(["eye_x", "eye_y"]) == {"eye": (0, 1, -1)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("b.png,1,2", "no one picture of the folder is called 'b.png'"),
        ("a.png,one,2", "the point 1 is 'one', '2', not two numbers"),
        ("a.png,1,", "the point 1 is '1', '', not two numbers"),
        ("a.png,nan,2", "no finite number"),
        ("a.png,1000,2", "far outside the picture of 100 x 80"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(tmp_path, row, said):
    write_picture(tmp_path / "a.png")
    write_text(tmp_path / "points.csv", f"file_name,x_1,y_1\na.png,1,2\n{row}\n")
    with pytest.raises(DataError, match=f"points.csv:3: .*{said}"):
        read_landmarks(tmp_path).dataset()
    assert read_landmarks(tmp_path, skip_bad=True).dataset()["train"].num_rows == 1
