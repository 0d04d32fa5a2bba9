"""Publishing to the Hub: the real client against a server on localhost, also where the connection dies."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard
from tsugiki.cards.validate import validate_card

from ..card_snapshots import TRANSFER, provenance_record, write_snapshot_with_card
from ..local_hub import LocalHub

# Retries wait for seconds; the tests do not.
CLIENT = """\
import sys, time
time.sleep = lambda seconds: None
import tsugiki
try:
    print(tsugiki.publish(*sys.argv[1:]))
except tsugiki.TsugikiError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def hub(tmp_path):
    with LocalHub(tmp_path / "home") as running:
        yield running
    assert running.unknown == []


@pytest.fixture
def folder(tmp_path):
    return write_snapshot_with_card(tmp_path / "tiny-net")


def publish(hub, folder, to, **environment):
    return subprocess.run(
        [sys.executable, "-c", CLIENT, str(folder), to],
        env=hub.environment(**environment),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_new_repository_holds_the_snapshot_as_it_lies_in_one_commit(hub, folder):
    done = publish(hub, folder, "somebody/tiny-net")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == f"{hub.url}/somebody/tiny-net"
    assert hub.files("somebody/tiny-net") == contents(folder)
    assert len(hub.repositories["somebody/tiny-net"].commits) == 2  # the empty one it was made with, and this


def test_what_was_published_can_be_fetched_and_is_in_order(hub, folder, tmp_path):
    publish(hub, folder, "hf://somebody/tiny-net")
    code = "import sys, tsugiki.snapshots.resolve as s; print(s.resolve('somebody/tiny-net'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=hub.environment(), capture_output=True, text=True, check=True
    )
    fetched = tmp_path / "fetched"
    subprocess.run(["cp", "-rL", done.stdout.strip(), str(fetched)], check=True)
    assert contents(fetched) == contents(folder)
    assert validate_card(fetched) == []


def test_repository_gets_only_files_of_the_snapshot_and_a_line_names_the_others(hub, folder, tmp_path):
    own = contents(folder)
    (tmp_path / "secrets.txt").write_text("root:x:0:0")
    (folder / "accounts.txt").symlink_to(tmp_path / "secrets.txt")
    (folder / "notes.md").write_text("mine")
    done = publish(hub, folder, "somebody/tiny-net")
    assert done.stderr == "not published, for they are no part of the snapshot: accounts.txt, notes.md\n"
    assert hub.files("somebody/tiny-net") == own


def test_token_in_use_reaches_no_repository(hub, folder):
    (folder / "preprocessor_config.json").write_text('{"key": "hf_of_the_tests"}')
    done = publish(hub, folder, "somebody/tiny-net")
    assert "preprocessor_config.json holds the token that you are logged in with" in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize("step", ["preupload", "lfs", "commit"])
def test_connection_that_dies_leaves_nothing_half_published(hub, folder, step):
    hub.die_at = step
    done = publish(hub, folder, "somebody/tiny-net")
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]  # above it, the client tells of its retries
    assert message.startswith("HubError: the upload to somebody/tiny-net broke off")
    assert "nothing is half-published, and the new repository remains" in message
    assert message.endswith("run the same command again")
    assert hub.files("somebody/tiny-net") == {}
    hub.die_at = None
    assert publish(hub, folder, "somebody/tiny-net").returncode == 0
    assert hub.files("somebody/tiny-net") == contents(folder)


def test_connection_that_dies_leaves_an_earlier_version_whole(hub, folder):
    publish(hub, folder, "somebody/tiny-net")
    before = hub.files("somebody/tiny-net")
    newer = write_snapshot_with_card(folder.parent / "newer", provenance_record("newer", seconds=9.0))
    hub.die_at = "commit"
    assert publish(hub, newer, "somebody/tiny-net").returncode == 1
    assert hub.files("somebody/tiny-net") == before


def test_newer_version_replaces_the_earlier_one(hub, folder):
    publish(hub, folder, "somebody/tiny-net")
    newer = write_snapshot_with_card(
        folder.parent / "newer", provenance_record("newer", pictures=[{"file": "other.png", "caption": "Another."}])
    )
    assert publish(hub, newer, "somebody/tiny-net").returncode == 0
    assert hub.files("somebody/tiny-net") == contents(newer)


def test_repository_of_something_else_is_left_alone(hub, folder):
    hub.commit("somebody/other", {"pytorch_model.bin": b"x", "README.md": b"mine"})
    done = publish(hub, folder, "somebody/other")
    assert done.stderr.startswith("HubError: somebody/other holds other files (pytorch_model.bin)")
    assert hub.files("somebody/other") == {"pytorch_model.bin": b"x", "README.md": b"mine"}


def test_incomplete_card_sends_nothing(hub, folder):
    path = folder / "provenance.json"
    path.write_text(path.read_text().replace("123.4", "12.34"))
    done = publish(hub, folder, "somebody/tiny-net")
    assert done.stderr.startswith("CardError: ")
    assert "provenance.json: 'seconds'" in done.stderr
    assert hub.requests == []


def test_refusal_says_to_log_in(hub, folder):
    hub.gated.add("somebody/tiny-net")
    done = publish(hub, folder, "somebody/tiny-net")
    assert done.stderr.startswith("HubError: ")
    assert "hf auth login" in done.stderr


def test_hub_that_is_not_there_is_one_error(hub, folder):
    done = publish(hub, folder, "somebody/tiny-net", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("HubError: somebody/tiny-net cannot be made on the Hub")


def test_fine_tuned_model_takes_the_name_of_its_repository(hub, tmp_path):
    record = provenance_record("my-digits", base_model="lenet5-mnist", transfer=TRANSFER)
    folder = write_snapshot_with_card(tmp_path / "my-digits", record)
    before = contents(folder)
    assert publish(hub, folder, "somebody/digits").returncode == 0
    files = hub.files("somebody/digits")
    card = ModelCard(files["README.md"].decode())
    assert card.data.model_name == "somebody/digits"
    assert card.data.base_model == "lenet5-mnist"
    assert 'tsugiki.pipeline("somebody/digits")' in card.text
    assert json.loads(files["provenance.json"])["name"] == "somebody/digits"
    assert contents(folder) == before
    there = tmp_path / "there"
    there.mkdir()
    for name, content in files.items():
        (there / name).write_bytes(content)
    assert validate_card(there) == []
