"""Publishing to a folder: only with a complete card, and whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tsugiki.cards.publish import publish
from tsugiki.cards.validate import validate_card
from tsugiki.errors import CardError, HubError, OptionError, OutputError, SnapshotError

from ..card_snapshots import write_snapshot_with_card


@pytest.fixture
def folder(tmp_path):
    return write_snapshot_with_card(tmp_path / "tiny-net")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_folder_gets_the_snapshot_as_it_lies(folder, tmp_path):
    (folder / ".cache").write_text("not ours")
    target = tmp_path / "out" / "published"
    assert publish(folder, target) == str(target)
    assert contents(target) == {name: file for name, file in contents(folder).items() if name != ".cache"}
    assert validate_card(target) == []


def test_incomplete_card_is_refused_and_nothing_is_written(folder, tmp_path):
    path = folder / "README.md"
    path.write_text(path.read_text().replace("99.23 %", "99.33 %"))
    with pytest.raises(CardError, match=r"is not published.*text: "):
        publish(folder, tmp_path / "published")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-net"]


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "model.pkl"])
def test_pickles_are_refused(folder, tmp_path, name):
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(CardError, match=name):
        publish(folder, tmp_path / "published")


def test_checkpoints_of_a_run_are_refused(folder, tmp_path):
    (folder / "checkpoint-10").mkdir()
    with pytest.raises(CardError, match="checkpoint-10"):
        publish(folder, tmp_path / "published")


def test_folder_that_is_there_already_is_left_alone(folder, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        publish(folder, tmp_path / "published")
    assert contents(tmp_path / "published") == {"mine.txt": b"mine"}


def test_disk_that_fills_up_leaves_nothing_behind(folder, tmp_path, monkeypatch):
    copied = []

    def copyfile(source, target):
        if copied:
            raise OSError(28, "No space left on device")
        copied.append(Path(target).write_bytes(Path(source).read_bytes()))

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(OutputError, match="no space left"):
        publish(folder, tmp_path / "published")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-net"]


def test_what_a_killed_run_left_is_not_published(folder, tmp_path):
    (tmp_path / "published.partial").mkdir()
    (tmp_path / "published.partial" / "old.bin").write_bytes(b"old")
    publish(folder, tmp_path / "published")
    assert "old.bin" not in contents(tmp_path / "published")


def test_name_that_may_be_a_folder_or_a_repository_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(OptionError, match=r"\./models/tiny or hf://models/tiny"):
        publish(folder, "models/tiny")
    publish(folder, "./models/tiny")
    assert (tmp_path / "models" / "tiny" / "README.md").is_file()


def test_odd_repository_is_refused(folder):
    with pytest.raises(OptionError, match="names no Hub repository"):
        publish(folder, "hf://../etc")


def test_no_snapshot_is_an_error(tmp_path):
    with pytest.raises(SnapshotError):
        publish(tmp_path / "nowhere", tmp_path / "published")


def test_hub_that_is_switched_off_is_one_error(folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="somebody/tiny-net cannot be made on the Hub"):
        publish(folder, "somebody/tiny-net")
