"""Outputs are whole or absent, and nothing of another's is replaced."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from tsugiki.cards.snapshot_files import foreign_part
from tsugiki.errors import OutputError
from tsugiki.output import (
    Unfinished,
    atomic_folder,
    check_output,
    discard,
    partial_path,
    unfinished_output,
    write_json,
    write_text,
)

from .card_snapshots import provenance_record
from .kills import KILLED, contents, killed_at

PICTURES = [{"file": "curves.png", "caption": "Loss"}]
RUN = {"options": {"seed": 0, "sizes": (2, 3)}}


def snapshot(folder: Path) -> Path:
    """As much of a snapshot as says that this program wrote it."""
    folder.mkdir(parents=True)
    write_json(folder / "provenance.json", provenance_record(pictures=PICTURES))
    for name in ("model.safetensors", "config.json", "README.md", "curves.png"):
        (folder / name).write_text(f"the old {name}")
    return folder


def unfinished(output: Path, run: dict | None = RUN) -> Path:
    """What a killed run left."""
    place = Unfinished(output)
    place.claim(run, replace=False)
    (place.folder / "run").mkdir(exist_ok=True)
    (place.folder / "run" / "checkpoint").write_text("1")
    return place.folder


def test_a_folder_appears_when_it_is_complete(tmp_path):
    output = tmp_path / "model"
    with atomic_folder(output) as folder:
        (folder / "a").write_text("1")
        assert not output.exists()
    assert (output / "a").read_text() == "1"
    assert not partial_path(output).exists()


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "model") as folder:
        (folder / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_can_be_continued_is_kept(tmp_path):
    def run(options=RUN, **others):
        return unfinished_output(tmp_path / "model", run=options, **others)

    with pytest.raises(KeyboardInterrupt), run(keep=lambda _: True) as place:
        (place.folder / "checkpoint").write_text("1")
        raise KeyboardInterrupt
    with pytest.raises(OutputError, match="unfinished run with other options"), run({"options": {}}):
        pass
    with run() as place:
        assert (place.folder / "checkpoint").read_text() == "1"
        (place.begin() / "a").write_text("1")
    assert contents(tmp_path) == {"model/a": b"1"}


@pytest.mark.parametrize("how", [{"replace": True}, {"foreign": foreign_part}], ids=["replace", "overwrite"])
def test_the_unfinished_run_of_another_goes_when_that_is_asked_for(tmp_path, how):
    unfinished(tmp_path / "model", {"options": "others"})
    with unfinished_output(tmp_path / "model", run=RUN, **how) as place:
        assert contents(place.folder).keys() == {"unfinished.json"}
        (place.begin() / "a").write_text("1")
    assert contents(tmp_path) == {"model/a": b"1"}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O: No space left on device")]
)
def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path, error):
    with (
        pytest.raises(OutputError, match=r"no space left on the disk for .*model; nothing was written"),
        unfinished_output(tmp_path / "model", run=RUN, keep=lambda _: True) as place,
    ):
        (place.begin() / "half").write_text("1")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_keeps_the_old(tmp_path):
    output = snapshot(tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(RuntimeError), unfinished_output(output, foreign=foreign_part):
        raise RuntimeError
    assert contents(tmp_path) == before


# What may stand at the output: every function makes it below a folder, and gives the output and what is read.
def nothing(root):
    return root / "model", root / "photos"


def empty_folder(root):
    (root / "model").mkdir()
    return nothing(root)


def own_snapshot(root):
    snapshot(root / "model")
    return nothing(root)


def own_run_of_the_same(root):
    unfinished(root / "model")
    return nothing(root)


def own_run_itself(root):
    unfinished(root / "model")
    return root / "model.partial", root / "photos"


def other_files(root):
    (root / "model").mkdir()
    (root / "model" / "thesis.txt").write_text("years of work")
    return nothing(root)


def snapshot_with_a_file_of_mine(root):
    (snapshot(root / "model") / "notes.txt").write_text("mine")
    return nothing(root)


def snapshot_with_a_picture_of_mine(root):
    (snapshot(root / "model") / "me.png").write_text("mine")
    return nothing(root)


def snapshot_with_a_folder_of_mine(root):
    (snapshot(root / "model") / "letters").mkdir()
    return nothing(root)


def snapshot_with_a_link(root):
    (snapshot(root / "model") / "vocab.txt").symlink_to(root / "photos" / "cat" / "1.png")
    return nothing(root)


def repository(root):
    (snapshot(root / "model") / ".git").mkdir()
    return nothing(root)


def provenance_of_another_program(root):
    (root / "model").mkdir()
    (root / "model" / "provenance.json").write_text('{"painter": "Vermeer"}')
    return nothing(root)


def other_files_where_it_is_made(root):
    (root / "model.partial").mkdir()
    (root / "model.partial" / "thesis.txt").write_text("years of work")
    return nothing(root)


def record_of_another_where_it_is_made(root):
    (root / "model.partial").mkdir()
    (root / "model.partial" / "unfinished.json").write_text('["a poem"]')
    return nothing(root)


def link_where_it_is_made(root):
    unfinished(root / "other")
    (root / "model.partial").symlink_to(root / "other.partial")
    return nothing(root)


def the_data(root):
    return root / "photos", root / "photos"


def a_parent_of_the_data(root):
    return root, root / "photos"


def a_child_of_the_data(root):
    return root / "photos" / "cat", root / "photos"


def a_new_child_of_the_data(root):
    return root / "photos" / "model", root / "photos"


def a_snapshot_in_the_data(root):
    return snapshot(root / "photos" / "model"), root / "photos"


def the_data_by_another_path(root):
    return root / "photos" / ".." / "photos", root / "photos"


def a_link_to_the_data(root):
    (root / "model").symlink_to(root / "photos")
    return nothing(root)


def below_a_link_to_the_data(root):
    (root / "other").symlink_to(root / "photos")
    return root / "other" / "model", root / "photos"


def the_data_read_by_a_link(root):
    (root / "other").symlink_to(root / "photos")
    return root / "photos", root / "other"


def a_link_to_a_snapshot(root):
    (root / "model").symlink_to(snapshot(root / "other"))
    return nothing(root)


def a_dangling_link(root):
    (root / "model").symlink_to(root / "nowhere")
    return nothing(root)


def a_file(root):
    (root / "model").write_text("a poem")
    return nothing(root)


def the_working_directory(root):
    return Path(), root / "photos"


def the_home(root):
    return snapshot(root / "home"), root / "photos"


WRITTEN = [nothing, empty_folder, own_snapshot, own_run_of_the_same, own_run_itself]
REFUSED = {
    other_files: "tsugiki cannot tell that it wrote it",
    snapshot_with_a_file_of_mine: "did not write notes.txt",
    snapshot_with_a_picture_of_mine: "did not write me.png",
    snapshot_with_a_folder_of_mine: "did not write letters",
    snapshot_with_a_link: "vocab.txt is no file of its own",
    repository: "did not write .git",
    provenance_of_another_program: "tsugiki cannot tell that it wrote it",
    other_files_where_it_is_made: "holds something else",
    record_of_another_where_it_is_made: "holds something else",
    link_where_it_is_made: "holds something else",
    the_data: "is .*photos, which is read",
    a_parent_of_the_data: "holds .*photos, which is read",
    a_child_of_the_data: "lies in .*photos, which is read",
    a_new_child_of_the_data: "lies in .*photos, which is read",
    a_snapshot_in_the_data: "lies in .*photos, which is read",
    the_data_by_another_path: "is .*photos, which is read",
    a_link_to_the_data: "is .*photos, which is read",
    below_a_link_to_the_data: "lies in .*photos, which is read",
    the_data_read_by_a_link: "is .*other, which is read",
    a_link_to_a_snapshot: "is a link",
    a_dangling_link: "is a link",
    a_file: "it is a file",
    the_working_directory: "is the working directory",
    the_home: "is your home",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").write_text("a cat")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("stands", WRITTEN, ids=lambda stands: stands.__name__)
def test_what_is_ours_is_replaced_when_asked(root, stands):
    output, read = stands(root)
    with unfinished_output(output, run=RUN, foreign=foreign_part, reads=[read]) as place:
        (place.begin() / "new").write_text("2")
    assert contents(output) == {"new": b"2"}
    assert not partial_path(output).exists()


@pytest.mark.parametrize(("stands", "reason"), REFUSED.items(), ids=lambda one: getattr(one, "__name__", ""))
@pytest.mark.parametrize("overwrite", [True, False])
def test_nothing_of_anothers_is_ever_gone(root, stands, reason, overwrite):
    output, read = stands(root)
    before = contents(root)
    with (
        pytest.raises(OutputError, match=reason if overwrite else None),
        unfinished_output(output, run=RUN, foreign=foreign_part if overwrite else None, reads=[read]) as place,
    ):
        (place.begin() / "new").write_text("2")
    assert contents(root) == before


def test_what_is_ours_is_kept_unless_asked(root):
    output = snapshot(root / "model")
    with pytest.raises(OutputError, match="exists already"), atomic_folder(output):
        pass
    assert contents(output)["config.json"] == b"the old config.json"


def test_an_empty_folder_of_a_run_killed_at_its_very_end_goes(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("whole")
    partial_path(tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        check_output(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_appears_at_the_output_meanwhile_is_not_replaced(root):
    output = snapshot(root / "model")
    with (
        pytest.raises(OutputError, match=r"did not write notes.txt"),
        unfinished_output(output, foreign=foreign_part) as place,
    ):
        (place.begin() / "new").write_text("2")
        (output / "notes.txt").write_text("mine")
    assert (output / "notes.txt").exists() and (output / "config.json").exists()


@pytest.mark.parametrize("old", [False, True], ids=["nothing", "a snapshot"])
def test_a_kill_at_any_file_operation_loses_neither_the_old_nor_the_new(tmp_path, old):
    trained = []

    def write(output):
        with unfinished_output(output, run=RUN, foreign=foreign_part if old else None, keep=lambda _: True) as place:
            if place.is_in_place:
                return
            done = place.folder / "run" / "trained"
            if not done.exists():
                trained.append(output)
                done.parent.mkdir(exist_ok=True)
                write_text(done, "weights")
            place.begin()
            write_json(place.whole / "provenance.json", provenance_record())
            write_text(place.whole / "README.md", done.read_text())

    number, status = 0, KILLED
    while status == KILLED:
        root = tmp_path / str(number)
        output = root / "model"
        root.mkdir()
        if old:
            snapshot(output)
        status, _ = killed_at(number, root, lambda output=output: write(output))
        assert status in (0, KILLED)
        left = [contents(folder).get("README.md") for folder in (output, partial_path(output) / "old")]
        assert not old or b"the old README.md" in left or left[0] == b"weights"
        if output.exists() and not old:
            with pytest.raises(OutputError, match="exists already"), atomic_folder(output):
                pass
        if not output.exists() or old:
            write(output)
        assert contents(root).keys() == {"model/provenance.json", "model/README.md"}
        assert contents(output)["README.md"] == b"weights"
        number += 1
    assert number > 20


def test_a_removed_folder_is_whole_or_absent_at_every_moment(tmp_path):
    number, status = 0, KILLED
    while status == KILLED:
        folder = tmp_path / "checkpoint-3"
        folder.mkdir(exist_ok=True)
        for name in ("weights", "state"):
            (folder / name).touch()
        status, _ = killed_at(number, tmp_path, lambda folder=folder: discard(folder))
        assert not folder.exists() or len(contents(folder)) == 2
        number += 1
    assert list(tmp_path.iterdir()) == []
    assert number > 4


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
