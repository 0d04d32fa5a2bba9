"""Where a command writes one file."""

from __future__ import annotations

import os

import pytest
from tsugiki.errors import OutputError
from tsugiki.output import atomic_file, write_text
from tsugiki.output_path import check_output_path


def test_other_names_and_places_are_refused(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, said in (("a.jpg", "name the output something.png"), ("no/a.png", "written"), ("folder.png", "written")):
        with pytest.raises(OutputError, match=said):
            check_output_path(tmp_path / name)


def test_the_names_that_a_command_writes_are_said(tmp_path):
    with pytest.raises(OutputError, match=r"a map is a page: name the output something.png or something.html, not "):
        check_output_path(tmp_path / "a.pdf", (".png", ".html"), what="a map is a page")
    assert check_output_path(tmp_path / "A.HTML", (".png", ".html")) == tmp_path / "A.HTML"
    assert check_output_path(tmp_path / "a.pdf", ()) == tmp_path / "a.pdf"


def test_what_is_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    (tmp_path / "a.png").write_bytes(b"of another")
    with pytest.raises(OutputError, match="exists already; name another file, or replace it with"):
        check_output_path(tmp_path / "a.png")
    assert check_output_path(tmp_path / "a.png", overwrite=True) == tmp_path / "a.png"


@pytest.mark.parametrize("made", [os.symlink, os.link], ids=["link", "hard link"])
def test_what_is_read_is_never_replaced_by_whatever_name(made, tmp_path):
    (tmp_path / "a.png").write_bytes(b"photograph")
    made(tmp_path / "a.png", tmp_path / "b.png")
    reads = ["an installed model", None, b"bytes", "long " * 5_000, tmp_path / "a.png"]
    for name in ("a.png", "b.png"):
        with pytest.raises(OutputError, match=r"is .*a\.png, which is read; name another output"):
            check_output_path(tmp_path / name, reads=reads, overwrite=True)
    assert check_output_path(tmp_path / "c.png", reads=reads) == tmp_path / "c.png"


def test_a_link_is_not_written_to_nor_replaced(tmp_path):
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(OutputError, match="is a link"):
        check_output_path(tmp_path / "b.png", overwrite=True)


def test_nothing_is_written_into_a_folder_that_is_read_as_a_whole(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    for folder in ("model", "link"):
        with pytest.raises(OutputError, match=r"lies in .*model, which is read"):
            check_output_path(tmp_path / folder / "a.png", reads=[tmp_path / "model"], overwrite=True)


def test_pipes_and_names_that_no_file_can_have_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, said in (("pipe.png", "is a device or a pipe"), (f"{'a' * 250}.png", "cannot be written")):
        with pytest.raises(OutputError, match=said):
            check_output_path(tmp_path / name, overwrite=True)


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    file, beside, other = tmp_path / "a.txt", tmp_path / ".a.txt.partial", tmp_path / "other.txt"
    write_text(file, "old")
    write_text(other, "somebody's")
    beside.symlink_to(other)
    with pytest.raises(KeyboardInterrupt), atomic_file(file) as partial:
        partial.write_text("ne", encoding="utf-8")
        raise KeyboardInterrupt
    assert (file.read_text(encoding="utf-8"), other.read_text(encoding="utf-8")) == ("old", "somebody's")
    assert sorted(tmp_path.iterdir()) == [file, other]


def test_a_file_that_comes_while_another_is_made_stays(tmp_path):
    file = tmp_path / "a.txt"
    with (
        pytest.raises(OutputError, match="exists already; name another"),
        atomic_file(file, overwrite=False) as partial,
    ):
        partial.write_text("slow", encoding="utf-8")
        file.write_text("quick", encoding="utf-8")
    assert file.read_text(encoding="utf-8") == "quick"
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(OutputError, match="exists already"):
        write_text(file, "slow", overwrite=False)
