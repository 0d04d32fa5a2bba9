"""Every command: a device where it runs a network, and progress where it can take longer than a person waits gladly."""

from __future__ import annotations

import inspect
import io
import sys
from typing import get_args, get_type_hints

import pytest
from PIL import Image
from tqdm import tqdm
from tsugiki import cli, progress
from tsugiki.cli.commands import COMMANDS
from tsugiki.cli.options import Device
from tsugiki.registry import import_string, registry

REFERENCES = {name: command.reference for name, command in COMMANDS.items()}
REFERENCES |= {name: reference for name, (_, reference) in registry().commands().items()}

WITHOUT_DEVICE = {
    **dict.fromkeys(("list", "info", "card", "cache", "publish", "new-plugin"), "runs no network"),
    "train": "takes transformers' own options and a launcher's",
    **dict.fromkeys(("export", "export-detector", "onnx-table", "check-plugin"), "compares with what runs on the CPU"),
    **dict.fromkeys(("check-annotations", "convert-annotations"), "reads and writes labels"),
    **dict.fromkeys(("similar", "analogy", "import-vectors", "compare-corpora"), "works on vectors, with numpy"),
}
QUICK = {"list", "info", "card", "cache", "new-plugin"}  # read and write small files
BARS = {
    "align": "align translate-ja-en-gru-attention 彼 走",
    "evaluate": "evaluate lenet5-mnist digits --split train",
    "explain": "explain lenet5-mnist a.png --steps 2",
    "predict": "predict lenet5-mnist a.png b.png",
    "similar": "similar word2vec-novels king queen",
    "score": "score lm-word-novels river",
    "stylize": "stylize a.png b.png --size 32 --steps 1",
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_command_that_runs_a_network_takes_a_device(name):
    hints = get_type_hints(import_string(REFERENCES[name]), include_extras=True)
    takes = [key for key, hint in hints.items() if get_args(hint)[1:] == get_args(Device)[1:]]
    assert takes == ([] if name in WITHOUT_DEVICE else ["device"])


@pytest.mark.parametrize("name", sorted(set(REFERENCES) - set(WITHOUT_DEVICE)))
def test_a_device_that_is_not_here_is_one_error(name, capsys):
    assert cli.main([name, "--device", "gpu"]) == 1
    assert capsys.readouterr().err == "tsugiki: device 'gpu' is unknown; write cpu, cuda or cuda:0\n"


@pytest.mark.parametrize("name", sorted(set(REFERENCES) - QUICK))
def test_a_command_that_can_take_long_says_that_it_works(name):
    module = sys.modules[import_string(REFERENCES[name]).__module__]
    assert "with only_results_on_stdout()" in inspect.getsource(module)


@pytest.mark.parametrize("name", BARS)
def test_a_bar_is_shown(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits" / "3").mkdir(parents=True)
    for file in ("a.png", "b.png", "digits/3/c.png"):
        Image.new("L", (32, 32), len(file)).save(file)
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(progress, "DELAY", 0)
    before = list(tqdm._instances)
    assert cli.main(BARS[name].split()) == 0, shown.getvalue()
    assert "0%|" in shown.getvalue()
    assert list(tqdm._instances) == before


@pytest.mark.parametrize(
    "line", ["explain lenet5-mnist {}", "stylize {} b.png", "stylize {} --model none", "predict lenet5-mnist {}"]
)
def test_an_address_is_fetched_and_never_offline(line, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(line.format("http://127.0.0.1:1/a.png").split()) == 1
    assert "http://127.0.0.1:1/a.png is not fetched: HF_HUB_OFFLINE forbids the network" in capsys.readouterr().err
