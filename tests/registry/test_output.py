"""Outputs are whole or absent."""

from __future__ import annotations

import errno
import json

import pytest
from tsugiki.errors import OutputError
from tsugiki.output import atomic_folder, check_output, partial_path, write_json, write_text


def test_a_folder_appears_when_it_is_complete(tmp_path):
    output = tmp_path / "model"
    with atomic_folder(output) as partial:
        (partial / "a").write_text("1")
        assert not output.exists()
    assert (output / "a").read_text() == "1"
    assert not partial_path(output).exists()


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "model") as partial:
        (partial / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_can_be_continued_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "model", keep_partial=lambda _: True) as partial:
        (partial / "checkpoint").write_text("1")
        raise KeyboardInterrupt
    with atomic_folder(tmp_path / "model") as partial:
        assert (partial / "checkpoint").read_text() == "1"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O: No space left on device")]
)
def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path, error):
    with (
        pytest.raises(OutputError, match=r"no space left on the disk for .*model; nothing was written"),
        atomic_folder(tmp_path / "model", keep_partial=lambda _: True) as partial,
    ):
        (partial / "half").write_text("1")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten_unless_asked(tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    (output / "old").write_text("1")
    with pytest.raises(OutputError, match="exists already"), atomic_folder(output):
        pass
    with atomic_folder(output, overwrite=True) as partial:
        (partial / "new").write_text("2")
    assert [path.name for path in output.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_replacement_keeps_the_old(tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    (output / "old").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(output, overwrite=True):
        raise RuntimeError
    assert (output / "old").exists()


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(tmp_path / "file" / "model")


def test_text_and_json_are_replaced_whole(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1.5})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": 1.5}
    with pytest.raises(OutputError, match="cannot write"):
        write_text(tmp_path / "missing" / "a.txt", "x")
