"""Every command that writes one file: what is there is never lost unless that was asked for, and no input ever is."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tsugiki import cli
from tsugiki.cli.commands import COMMANDS
from tsugiki.registry import import_string, registry
from tsugiki.snapshots.resolve import resolve
from typer.models import OptionInfo

# A command, its option, a file that it writes, and a model of which it reads a copy in "model".
WRITERS = {
    "align": ("align model 彼", "--output", "a.png", "translate-ja-en-gru-attention"),
    "detect": ("detect model picture.png", "--csv", "a.csv", "yolo-bccd"),
    "explain": ("explain model picture.png --method grad-cam", "--output", "a.png", "lenet5-mnist"),
    "export": ("export model", "--onnx", "a.onnx", "lenet5-mnist"),
    "export-detector": ("export-detector model", "--onnx", "a.onnx", "yolo-bccd"),
    "map": ("map model --words 8 --perplexity 2", "--output", "a.html", "word2vec-novels"),
    "melody": ("melody model", "--output", "a.mid", "melody-rnn"),
    "predict": ("predict model picture.png", "--csv", "a.csv", "lenet5-mnist"),
    "sample": ("sample model --count 1", "--output", "a.png", "vae-mnist"),
    "stylize": ("stylize picture.png other.png --size 32 --steps 1", "--output", "a.png", ""),
}


def options_of(reference: str) -> dict[str, str]:
    """The options of a command, as they are written, and what stands for their values in its help."""
    found = {}
    for parameter in inspect.signature(import_string(reference), eval_str=True).parameters.values():
        for mark in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(mark, OptionInfo):  # behind `Annotated`, what looks like its default is its first name
                found[str(mark.default)] = mark.metavar or ""
    return found


def test_every_command_that_writes_one_file_is_tried():
    references = {name: command.reference for name, command in COMMANDS.items()}
    references |= {name: reference for name, (_, reference) in registry().commands().items()}
    writers = {}
    for name, reference in references.items():
        options = options_of(reference)
        for option, metavar in options.items():
            if metavar.startswith("FILE"):
                writers[name] = option
                assert "--overwrite" in options, f"{name} writes a file and has no --overwrite"
    assert writers == {name: option for name, (_, option, _, _) in WRITERS.items()} | {"onnx-table": "--write"}


def test_a_command_of_minutes_looks_at_its_file_first(tmp_path, capsys):
    (tmp_path / "a.json").write_bytes(b"of another")
    assert cli.main(["onnx-table", "--write", str(tmp_path / "a.json")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "a.json").read_bytes() == b"of another"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with two pictures."""
    monkeypatch.chdir(tmp_path)
    for name, gray in (("picture.png", 30), ("other.png", 200)):
        Image.new("L", (32, 32), gray).save(name)
    return tmp_path


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_written_kept_and_replaced_as_was_said(name, here, capsys):
    line, option, file, model = WRITERS[name]
    words = line.split()
    if model:
        shutil.copytree(resolve(model), here / "model")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    Path(file).write_bytes(b"of another")
    assert cli.main([*words, option, file]) == 1
    assert "exists already" in capsys.readouterr().err
    assert Path(file).read_bytes() == b"of another"
    assert cli.main([*words, option, file, "--overwrite"]) == 0
    assert b"of another" not in Path(file).read_bytes()[:20]

    reads = [f"model/a{Path(file).suffix}"] if model else []
    reads += [f"again{Path(file).suffix}"] if "picture.png" in words else []
    if "picture.png" in words:
        Path(reads[-1]).hardlink_to("picture.png")
    for read in reads:
        assert cli.main([*words, option, read, "--overwrite"]) == 1
        assert "which is read" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in here.iterdir()} <= {"picture.png", "other.png", "model", file, *reads}
