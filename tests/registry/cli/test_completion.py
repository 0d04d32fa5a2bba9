"""Completion in the shell."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tsugiki import cli

ROSE = """
from tsugiki import Plugin
plugin = Plugin(name="rose", commands={"prune": "fake_rose.shears:prune"}, pretrained="fake_rose/pretrained")
"""
SHEARS = '''
from tsugiki.cli.options import Device, ModelName

def prune(name: ModelName, device: Device = None) -> None:
    """Prune a branch."""
'''


@pytest.fixture
def rose(install_plugin):
    folder = install_plugin("rose", ROSE, snapshots=["rose-10", "rose-2", "oak"])
    (folder / "shears.py").write_text(SHEARS)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tsugiki pru", ["prune"]),
        ("tsugiki predi", ["predict"]),
        ("tsugiki predict rose-", ["rose-2", "rose-10"]),
        ("tsugiki prune oa", ["oak"]),
        ("tsugiki prune oak --dev", ["--device"]),
        ("tsugiki verify rose-10 rose-2", ["rose-2"]),
        ("tsugiki info nothing-", []),
    ],
)
def test_commands_options_and_models_complete(typed, offered, rose, monkeypatch, capsys):
    monkeypatch.setenv("_TSUGIKI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert cli.main([]) == 0
    assert capsys.readouterr().out.split() == offered
    assert ("fake_rose.shears" in sys.modules) == ("prune " in typed)


def test_completion_imports_nothing_heavy():
    code = (
        "import os, sys; from tsugiki.cli import main\n"
        "os.environ |= {'_TSUGIKI_COMPLETE': 'complete_bash', 'COMP_WORDS': 'tsugiki predict x', 'COMP_CWORD': '2'}\n"
        "main([])\n"
        "heavy = {'torch', 'transformers', 'numpy', 'datasets', 'sklearn', 'huggingface_hub', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_script_for_a_shell_is_printed(capsys):
    assert cli.main(["--show-completion", "bash"]) == 0
    assert "_TSUGIKI_COMPLETE=complete_bash" in capsys.readouterr().out
