"""Weights of a made-up distribution: found by its metadata, checked by hash, read without being imported."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
import tsugiki
from tsugiki.distributed_weights import DistributedFile, DistributedWeights
from tsugiki.errors import PluginError, SnapshotError
from tsugiki.registry import Checkpoint, Registry
from tsugiki.snapshots.converted_weights import SOURCE
from tsugiki.snapshots.listing import list_models

from ..tiny_snapshots import write_snapshot

FILE = "garden_weights/rose.pth"
NAME = "rose-garden"


class Garden:
    """A site folder with a distribution `garden-weights`, and the toy plugin with a checkpoint that needs it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = folder / "site"
        self.embedded = write_snapshot(folder / "pretrained" / NAME)
        self.tensors = tsugiki.load(self.embedded).state_dict()
        (self.embedded / "model.safetensors").unlink()
        self.file = self.site / FILE
        self.file.parent.mkdir(parents=True)
        (self.site / "garden_weights" / "__init__.py").write_text("raise AssertionError('imported')")
        info = self.site / "garden_weights-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: garden-weights\nVersion: 1.2\n")
        torch.save({f"old.{name}": value for name, value in self.tensors.items()}, self.file)
        monkeypatch.setenv("TSUGIKI_CACHE", str(folder / "cache"))
        monkeypatch.syspath_prepend(str(self.site))
        self.declare()
        original = Registry.checkpoints
        monkeypatch.setattr(Registry, "checkpoints", lambda found: [*original(found), self.checkpoint])

    @property
    def checkpoint(self) -> Checkpoint:
        """The one that the toy plugin has besides its own."""
        return Checkpoint(NAME, "toy", "tsugiki-toy", self.embedded, self.weights)

    def declare(self, **changes: object) -> None:
        """Say where the weights lie."""
        fields = {
            "distribution": "garden-weights",
            "version": "1.2",
            "weights": DistributedFile(FILE, hashlib.sha256(self.file.read_bytes()).hexdigest()),
            "license": "cc0-1.0",
            "extra": "garden",
            "format": "torch",
            "rename": f"{__name__}:without_prefix",
        }
        self.weights = DistributedWeights(**{**fields, **changes})


def without_prefix(config, stored):
    """Names as they were before `Garden` wrote them."""
    return stored.removeprefix("old.") if stored.startswith("old.") else None


def twice(path):
    """A reader that a plugin brings."""
    return {f"old.{name}": value * 2 for name, value in read(path).items()}


def read(path):
    return {name.removeprefix("old."): value for name, value in torch.load(path, weights_only=True).items()}


@pytest.fixture
def garden(tmp_path, monkeypatch):
    return Garden(tmp_path, monkeypatch)


def test_is_read_once_and_kept_as_safetensors_with_both_hashes(garden, tmp_path):
    model = tsugiki.load(NAME)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, garden.tensors[name], rtol=0, atol=0)
    assert "garden_weights" not in sys.modules
    (folder,) = (tmp_path / "cache" / "weights").iterdir()
    record = json.loads((folder / SOURCE).read_text())
    assert record["sha256"] == hashlib.sha256(garden.file.read_bytes()).hexdigest()
    assert record["converted_sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    shutil.rmtree(garden.site)  # what was read once is there
    tsugiki.load(NAME)
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [folder.name]


def test_a_cut_file_in_the_cache_is_made_again(garden, tmp_path):
    tsugiki.load(NAME)
    (folder,) = (tmp_path / "cache" / "weights").iterdir()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / SOURCE).unlink()
    (folder / "model.safetensors").write_bytes(b"")
    tsugiki.load(NAME)
    assert (folder / "model.safetensors").read_bytes() == whole
    assert (folder / SOURCE).is_file()


def test_another_file_is_never_read(garden):
    torch.save({"old.x": torch.zeros(1)}, garden.file)
    with pytest.raises(SnapshotError, match=r"its sha256 is .*, and that of garden-weights 1\.2 is .*it is not read"):
        tsugiki.load(NAME)
    garden.file.unlink()
    with pytest.raises(SnapshotError, match=r"has no file garden_weights/rose\.pth; install version 1\.2: pip install"):
        tsugiki.load(NAME)


def test_not_installed_names_the_pip_line_and_list_says_so(garden):
    shutil.rmtree(garden.site / "garden_weights-1.2.dist-info")
    with pytest.raises(PluginError, match=r"lie in garden-weights 1\.2, not installed here: pip install .*\[garden\]"):
        tsugiki.load(NAME)
    (info,) = list_models(NAME)
    assert info.needs is not None
    assert "[garden]" in info.needs


def test_a_pickle_that_runs_code_is_refused(garden):
    garden.file.write_bytes(pickle.dumps({"old.x": print}))
    garden.declare()
    with pytest.raises(SnapshotError, match=r"rose\.pth cannot be read"):
        tsugiki.load(NAME)


def test_every_tensor_has_a_place_or_is_left_out_by_name(garden):
    name, value = next(iter(garden.tensors.items()))
    torch.save({"new.head": value, **{f"old.{key}": one for key, one in garden.tensors.items()}}, garden.file)
    garden.declare()
    with pytest.raises(SnapshotError, match=r"holds new\.head, which has no place"):
        tsugiki.load(NAME)
    garden.declare(left_out=("new.",))
    tsugiki.load(NAME)
    torch.save({f"old.{key}": one for key, one in garden.tensors.items() if key != name}, garden.file)
    garden.declare()
    with pytest.raises(SnapshotError, match="lacks 1 tensor"):
        tsugiki.load(NAME)


def test_other_formats_are_read(garden):
    garden.declare(format=f"{__name__}:twice")
    doubled = tsugiki.load(NAME).state_dict()
    name = next(name for name, value in garden.tensors.items() if value.is_floating_point())
    torch.testing.assert_close(doubled[name], 2 * garden.tensors[name])
    from safetensors.torch import save_file

    save_file(dict(garden.tensors), garden.file)
    garden.declare(format="safetensors", rename=None)
    torch.testing.assert_close(tsugiki.load(NAME).state_dict()[name], garden.tensors[name])


def test_onnx_initialisers_are_read(garden):
    onnx = pytest.importorskip("onnx")
    values = [onnx.numpy_helper.from_array(value.numpy(), f"old.{name}") for name, value in garden.tensors.items()]
    graph = onnx.helper.make_graph([], "weights", [], [], initializer=values)
    garden.file.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    garden.declare(format="onnx")
    for name, value in tsugiki.load(NAME).state_dict().items():
        torch.testing.assert_close(value, garden.tensors[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "pickle"}, "format of the weights"),
        ({"rename": "nowhere"}, "must be written"),
        ({"files": {"../x": DistributedFile("a", "0" * 64)}}, "no name of a file"),
    ],
)
def test_a_wrong_declaration_is_refused(garden, change, message):
    with pytest.raises(PluginError, match=message):
        garden.declare(**change)
    with pytest.raises(PluginError, match="no path inside"):
        DistributedFile("../secret", "0" * 64)
    with pytest.raises(PluginError, match="64 hexadecimal digits"):
        DistributedFile("a", "0")
