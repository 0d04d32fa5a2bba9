"""The examples run as they are printed."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tsugiki
from PIL import Image, ImageDraw
from tsugiki import cli
from tsugiki.first_party import CHECKPOINTS

REPO = Path(__file__).parents[2]

# Stands in for pip: installs into a folder of the test's own, with the build tools at hand and nothing downloaded.
PIP = """#!{python}
import shutil, subprocess, sys
from pathlib import Path
site = Path({site!r})
words = [word for word in sys.argv[2:] if not word.startswith("-")]
if sys.argv[1] == "install":
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *options, *words]))
for word in words:
    for path in site.glob(word.replace("-", "_") + "*"):
        shutil.rmtree(path)
"""


@pytest.fixture
def workshop(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An empty folder, and an environment in which ``tsugiki`` and ``pip`` are on the PATH."""
    tools, site, folder = tmp_path / "bin", tmp_path / "site", tmp_path / "work"
    for path in (tools, site, folder):
        path.mkdir()
    (tools / "pip").write_text(PIP.format(python=sys.executable, site=str(site)))
    (tools / "tsugiki").write_text(f'#!/bin/sh\nexec {sys.executable} -m tsugiki "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    paths = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(site)}
    return folder, {**os.environ, **paths}


def code_blocks(document: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(bash|python)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_plugin_in_ten_minutes(workshop):
    folder, environment = workshop
    blocks = code_blocks(REPO / "examples" / "plugin_in_ten_minutes.md")
    assert [language for language, _ in blocks] == ["bash", "bash", "bash", "python", "bash"]
    printed = []
    for language, code in blocks:
        command = ["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code]
        printed.append(run(command, folder, environment))
    assert "0 failed" in printed[2]
    assert printed[3].startswith("(2, 3) ")
    assert "GardenNetForImageClassification" in printed[3]
    after = subprocess.run(
        ["tsugiki", "info", "garden-net"], env=environment, capture_output=True, text=True, check=False
    )
    assert after.returncode != 0
    assert "unknown" in after.stderr


def run_here(script: str, *words: str) -> None:
    """Run an example as the main program, in this process: it is there already, with all that it imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *words])
        runpy.run_path(str(REPO / "examples" / script), run_name="__main__")


def test_your_own_photographs(tmp_path, monkeypatch, capsys):
    folder = tmp_path
    monkeypatch.chdir(folder)
    generator = np.random.default_rng(0)
    for name in ("disc", "square"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(8):
            canvas = Image.fromarray(generator.integers(0, 90, (48, 64, 3), dtype=np.uint8))
            x, y = generator.integers(4, 20, 2)
            draw = ImageDraw.Draw(canvas)
            shape = draw.ellipse if name == "disc" else draw.rectangle
            shape((int(x), int(y), int(x) + 24, int(y) + 24), fill=(230, 200, 40))
            canvas.save(folder / "photos" / name / f"{number}.jpg")
    script = REPO / "examples" / "own_photographs.py"
    assert re.search(r'"--base", default="([\w-]+)"', script.read_text(encoding="utf-8"))[1] in CHECKPOINTS
    monkeypatch.setattr(tsugiki, "finetune", partial(tsugiki.finetune, max_steps=60))  # enough for so easy pictures
    run_here(script.name, "photos", "mine", "--base", "lenet5-mnist")
    printed = capsys.readouterr().out
    assert re.search(r"photos/(disc/\d\.jpg: disc|square/\d\.jpg: square)", printed), printed
    assert cli.main(["predict", "mine", "photos/square/0.jpg", "--top-k", "1"]) == 0
    assert "square" in capsys.readouterr().out
    assert {"README.md", "model.safetensors", "provenance.json"} <= {path.name for path in (folder / "mine").iterdir()}


def test_convolution_basics(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_here("convolution_basics.py", "--starts", "3")
    printed = capsys.readouterr().out
    assert re.search(r"^ +224 +11 +2 +4 +55$", printed, re.MULTILINE), printed  # AlexNet's first layer
    shares = {line.split("  ")[0]: int(re.search(r"(\d+)%", line)[1]) for line in printed.splitlines() if "%" in line}
    assert shares["one layer"] <= 75
    assert shares["two layers, 4 hidden units"] == 100
    for name in ("edge_filters.png", "output_sizes.png", "xor.png"):
        with Image.open(tmp_path / "convolution_basics" / name) as picture:
            assert min(picture.size) > 200
