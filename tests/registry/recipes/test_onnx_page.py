"""The page of what exports to ONNX."""

from __future__ import annotations

import pytest
from tsugiki.errors import CardError
from tsugiki.recipes.onnx_page import OnnxRow, read_record, render_page, write_record

ROWS = [
    OnnxRow("garden", "rose", "image-classification", "exported", "", 18, ("height", "width"), 6, 2.3e-7),
    OnnxRow("garden", "briar", "tree-classification", "refused", "it goes through the trees"),
    OnnxRow("meadow", "clover", "text-classification", "exported", "", 18, (), 9, 0.0),
]


def test_a_record_gives_its_rows_again(tmp_path):
    write_record(ROWS, tmp_path / "onnx.json")
    rows = read_record(tmp_path / "onnx.json")
    assert [row.cells() for row in rows] == [row.cells() for row in ROWS]


def test_the_page_has_a_table_for_each_plugin():
    page = render_page(ROWS)
    assert page.count("| model | task | ONNX |") == 2
    assert "| `rose` | image-classification | any rows, height, width | 18 | 6 | 2e-07 |" in page
    assert "| `briar` | tree-classification | refused: it goes through the trees |  |  |  |" in page
    assert page.index("## garden") < page.index("## meadow")


@pytest.mark.parametrize("text", ["nothing", '[{"rose": 1}]'])
def test_a_file_of_something_else_is_named(text, tmp_path):
    (tmp_path / "onnx.json").write_text(text)
    with pytest.raises(CardError, match=r"onnx\.json is no record of exports"):
        read_record(tmp_path / "onnx.json")
