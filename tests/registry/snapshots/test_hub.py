"""The real `huggingface_hub` client against a Hub on localhost: what is fetched, pinned, cached, said when it fails."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from ..local_hub import LocalHub
from ..tiny_snapshots import write_snapshot

FILES = {
    "config.json": b'{"model_type": "tsugiki_plain"}',
    "model.safetensors": b"weights " * 1000,
    "README.md": b"# A card",
}

DOWNLOAD = """
import json, sys
from tsugiki.errors import HubError
from tsugiki.snapshots.hub import download
answers = []
for arguments in json.loads({arguments!r}):
    try:
        folder = download(*arguments)
        answers.append([folder.name, sorted(file.name for file in folder.iterdir())])
    except HubError as error:
        answers.append(str(error))
assert "torch" not in sys.modules
print(json.dumps(answers))
"""


@pytest.fixture
def hub(tmp_path):
    with LocalHub(tmp_path / "hf-home") as server:
        yield server


def download(hub, *arguments, **environment):
    return json.loads(hub.run(DOWNLOAD.format(arguments=json.dumps(arguments)), **environment))


def test_only_files_of_a_snapshot_are_fetched(hub):
    extra = {
        "pytorch_model.bin": b"a pickle",
        "onnx/config.json": b"{}",
        "training_args.bin": b"a pickle",
        "run.py": b"evil",
    }
    sha = hub.commit("org/net", {**FILES, **extra})
    assert download(hub, ["org/net"]) == [[sha, sorted(FILES)]]
    assert not [request for request in hub.requests if any(name in request for name in extra)]
    assert hub.unknown == []


def test_revision_pins_a_commit_and_offline_reads_the_cache(hub):
    first = hub.commit("org/net", {**FILES, "README.md": b"# Old"})
    second = hub.commit("org/net", FILES)
    names = sorted(FILES)
    assert download(hub, ["org/net"], ["org/net", first]) == [[second, names], [first, names]]
    hub.requests.clear()
    offline = download(hub, ["org/net"], ["org/net", first], ["org/other"], HF_HUB_OFFLINE="1")
    assert offline[:2] == [[second, names], [first, names]]
    assert "org/other is not in the local cache, and HF_HUB_OFFLINE forbids downloading it" in offline[2]
    assert hub.requests == []


def test_what_cannot_be_fetched_is_one_sentence(hub):
    hub.commit("org/net", FILES)
    hub.commit("org/gated", FILES)
    hub.gated.add("org/gated")
    missing, revision, gated = download(hub, ["org/nett"], ["org/net", "v9"], ["org/gated"])
    assert missing.startswith("the Hub has no repository 'org/nett'")
    assert revision.startswith("org/net has no revision 'v9'")
    assert gated.startswith("org/gated is gated: accept its terms")
    assert not any("\n" in message for message in (missing, revision, gated))


def test_unreachable_hub_is_one_sentence(hub):
    [message] = download(hub, ["org/net"], HF_ENDPOINT="http://127.0.0.1:9")
    assert message == "org/net is not in the local cache, and the Hub cannot be reached: check the network"


def test_broken_download_is_resumed_by_the_next_call(hub):
    sha = hub.commit("org/net", FILES)
    hub.die_at = "download"
    [message] = download(hub, ["org/net"])
    assert message.startswith("downloading org/net broke off; run it again to continue")
    hub.die_at = None
    assert download(hub, ["org/net"]) == [[sha, sorted(FILES)]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What a process asked of a Hub while it loaded models and compared them with those of local folders."""
    folder = tmp_path_factory.mktemp("hub")
    old, new = (write_snapshot(folder / name, seed=seed) for seed, name in enumerate(("old", "new")))
    contents = [{path.name: path.read_bytes() for path in snapshot.iterdir()} for snapshot in (old, new)]
    Image.new("L", (28, 28)).save(folder / "digit.png")
    with LocalHub(folder / "hf-home") as hub:
        first, _ = (hub.commit("org/plain", files) for files in contents)
        tagged = hub.commit("org/tagged", contents[0])
        hub.repositories["org/tagged"].refs["old"] = tagged
        hub.commit("org/tagged", {"config.json": b"{}"})
        hub.run(f"""
import torch, tsugiki
from tsugiki.snapshots.snapshot import Snapshot

pinned = tsugiki.load("org/plain", revision={first!r})
latest, processor = tsugiki.load("org/plain"), tsugiki.load_processor("org/plain")
old, new, _ = tsugiki.load({str(old)!r}), tsugiki.load({str(new)!r}), tsugiki.load_processor({str(new)!r})
assert all(torch.equal(a, b) for a, b in zip(pinned.parameters(), old.parameters(), strict=True))
assert all(torch.equal(a, b) for a, b in zip(latest.parameters(), new.parameters(), strict=True))
assert {first!r} in pinned.name_or_path

snapshot = Snapshot.open("org/tagged", revision="old")
assert snapshot.folder.name == {tagged!r}
snapshot.model(), snapshot.processor()
tsugiki.pipeline("org/tagged", revision="old")({str(folder / "digit.png")!r})
""")
        return hub.requests


def test_model_loads_from_the_hub_and_local_folders_ask_no_network(asked):
    assert any("/org/plain" in request for request in asked)
    assert [request for request in asked if "/org/plain" not in request and "/org/tagged" not in request] == []


def test_what_belongs_together_is_of_one_commit(asked):
    revisions = [request for request in asked if request.startswith("GET /api/models/org/tagged/revision/")]
    assert revisions == 2 * ["GET /api/models/org/tagged/revision/old"]
