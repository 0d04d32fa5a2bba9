"""Publishing to a folder: only with a complete card, and whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tsugiki.cards.publish import publish
from tsugiki.cards.snapshot_files import snapshot_files
from tsugiki.cards.validate import validate_card
from tsugiki.errors import CardError, HubError, OptionError, OutputError, SnapshotError
from tsugiki.output import Unfinished
from tsugiki.registry import RegisteredFamily, registry

from ..card_snapshots import PROSE, write_snapshot_with_card


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


def test_only_files_of_the_snapshot_are_published_and_the_others_are_named(folder, tmp_path, caplog):
    own = contents(folder)
    secret = tmp_path / "secrets.txt"
    secret.write_text("root:x:0:0")
    for name in ("accounts.txt", "linked.json"):
        (folder / name).symlink_to(secret)
    for name in ("notes.txt", "passwords.json", "family.png", "diary.md", ".netrc"):
        (folder / name).write_text("mine")
    publish(folder, tmp_path / "published")
    assert contents(tmp_path / "published") == own
    (line,) = caplog.messages
    assert line.endswith(": .netrc, accounts.txt, diary.md, family.png, linked.json, notes.txt, passwords.json")


def test_every_file_of_the_installed_snapshots_is_their_own():
    for checkpoint in registry().checkpoints():
        assert snapshot_files(checkpoint.path)[1] == [], checkpoint.name


@pytest.mark.parametrize("name", ["LICENSE", "vocab.txt", "confusion_matrix.png", "config.json"])
def test_link_in_the_place_of_a_file_of_the_snapshot_is_refused(folder, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"root:x:0:0")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(CardError, match=rf"^{name} is no file of its own but a link"):
        publish(folder, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_files_that_the_hubs_cache_keeps_as_links_are_published(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    own = contents(folder)
    blobs, snapshot = tmp_path / "hub" / "models--me--tiny" / "blobs", tmp_path / "hub/models--me--tiny/snapshots/0a1b"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(blobs / str(number))
    with pytest.raises(CardError, match="link"):
        publish(snapshot, tmp_path / "published")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    publish(snapshot, tmp_path / "published")
    assert contents(tmp_path / "published") == own


def test_files_that_a_familys_tokenizer_says_it_writes_are_its_own(folder, tmp_path, monkeypatch):
    tokenizer = type("Tokenizer", (), {"vocab_files_names": {"vocab_file": "lexicon.txt"}})
    monkeypatch.setattr(RegisteredFamily, "processor_class", lambda family: tokenizer)
    (folder / "lexicon.txt").write_text("a")
    (folder / "notes.txt").write_text("mine")
    publish(folder, tmp_path / "published")
    assert {"lexicon.txt"} == {path.name for path in (tmp_path / "published").glob("*.txt")}


@pytest.mark.parametrize("name", ["README.md", "config.json", "confusion_matrix.png", "LICENSE"])
def test_token_in_any_file_is_not_published_and_not_repeated(folder, tmp_path, name):
    token = "hf_" + "aB3dE6gH9j" * 3
    if name == "README.md":
        folder = write_snapshot_with_card(tmp_path / "talkative", prose=PROSE + token)
    else:
        (folder / name).write_bytes(b"{}" + token.encode())
    with pytest.raises(CardError, match=rf"{name} holds a Hugging Face token; take it out first") as refused:
        publish(folder, tmp_path / "published")
    assert token not in str(refused.value)
    assert not (tmp_path / "published").exists()


@pytest.mark.parametrize(
    ("variable", "value", "text", "said"),
    [
        ("HF_TOKEN", "of no known shape", "of no known shape", "the token that you are logged in with"),
        ("HOME", "/home/alice", "/home/alice/clinic", "the path of your home"),
    ],
)
def test_what_is_private_here_is_not_published(folder, tmp_path, monkeypatch, variable, value, text, said):
    monkeypatch.setenv(variable, value)
    (folder / "preprocessor_config.json").write_text(f'{{"file": "{text}"}}')
    with pytest.raises(CardError, match=rf"preprocessor_config.json holds {said}"):
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
    place = Unfinished(tmp_path / "published")
    place.claim(None, replace=False)
    (place.begin() / "old.bin").write_bytes(b"old")
    publish(folder, tmp_path / "published")
    assert "old.bin" not in contents(tmp_path / "published")


def test_a_snapshot_is_not_published_into_itself(folder):
    with pytest.raises(OutputError, match=r"lies in .*, which is read"):
        publish(folder, folder / "published")


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
