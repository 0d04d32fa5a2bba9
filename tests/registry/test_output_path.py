"""Where a command writes one file."""

from __future__ import annotations

import pytest
from tsugiki.errors import OutputError
from tsugiki.output_path import PNG, check_output_path


def test_other_names_and_places_are_refused(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, said in (("a.jpg", "name the output something.png"), ("no/a.png", "written"), ("folder.png", "written")):
        with pytest.raises(OutputError, match=said):
            check_output_path(tmp_path / name)


def test_the_names_that_a_command_writes_are_said(tmp_path):
    with pytest.raises(OutputError, match=r"a map is a page: name the output something.png or something.html, not "):
        check_output_path(tmp_path / "a.pdf", (".png", ".html"), what="a map is a page")
    assert check_output_path(tmp_path / "A.HTML", (".png", ".html")) == tmp_path / "A.HTML"


def test_a_source_is_never_replaced(tmp_path):
    source = tmp_path / "a.png"
    source.write_bytes(b"photograph")
    with pytest.raises(OutputError, match="is one of the pictures to read"):
        check_output_path(tmp_path / "a.png", PNG, tmp_path / "b.png", source)
    assert check_output_path(tmp_path / "c.png", PNG, source) == tmp_path / "c.png"
