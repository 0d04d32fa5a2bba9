"""Finding and running commands: help, errors, exit codes."""

import os
import re
import subprocess
import sys
from importlib import metadata

import pytest
from tsugiki import cli
from tsugiki.cli.commands import COMMANDS
from tsugiki.cli.invoke import split_docstring
from tsugiki.output import unfinished_output
from tsugiki.registry import import_string

ROSE = """
from tsugiki import Plugin
plugin = Plugin(name="rose", commands={"prune": "fake_rose.shears:prune", "graft": "fake_rose.missing:graft"})
"""
SHEARS = '''
from typing import Annotated
import typer
from tsugiki.errors import DataError

def prune(branch: str, json: Annotated[bool, typer.Option("--json")] = False) -> int:
    """Prune a branch.

    Example:
        tsugiki prune oak
    """
    if branch == "root":
        raise DataError("the root\\nis not pruned; name a branch")
    if branch == "thorn":
        raise ZeroDivisionError("ouch")
    if branch == "stop":
        raise KeyboardInterrupt
    print(f"pruned {branch} {json}")
    return 3 if branch == "half" else 0
'''


@pytest.fixture
def rose(install_plugin):
    (install_plugin("rose", ROSE) / "shears.py").write_text(SHEARS)


def run(capsys, *words):
    code = cli.main(words)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_help_lists_every_command_and_each_plugins_own_without_importing_it(rose, capsys):
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    for name, command in COMMANDS.items():
        assert f"  {name} " in out
        assert command.summary in out
    assert re.search(r"Commands of rose \(tsugiki-rose 1.0\):\n  prune +Prune a branch\.\n  graft\n", out)
    assert "fake_rose.shears" not in sys.modules


def test_no_arguments_print_the_help(capsys):
    assert run(capsys)[1] == run(capsys, "-h")[1]


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"tsugiki {metadata.version('tsugiki')}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_the_common_options(name, capsys):
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: tsugiki {name} " in out
    assert "--json" in out
    assert "--debug" in out
    example = out[out.index("Example:") :]
    assert f"tsugiki {name}" in example


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_the_summary_is_the_first_line_of_the_commands_docstring(name, command):
    assert split_docstring(import_string(command.reference))[0].splitlines()[0] == command.summary


def test_a_plugins_command_runs_and_gives_the_exit_code(rose, capsys):
    assert run(capsys, "prune", "oak", "--json") == (0, "pruned oak True\n", "")
    assert run(capsys, "rose:prune", "half") == (3, "pruned half False\n", "")
    assert "Prune a branch." in run(capsys, "prune", "--help")[1]


def test_an_error_is_one_line_and_exit_code_1(rose, capsys):
    assert run(capsys, "prune", "root") == (1, "", "tsugiki: the root is not pruned; name a branch\n")


def test_an_unexpected_error_is_one_line_that_names_its_kind(rose, capsys):
    code, out, err = run(capsys, "prune", "thorn")
    assert (code, out, err) == (1, "", "tsugiki: ZeroDivisionError: ouch (--debug shows the trace)\n")


def test_debug_shows_the_trace_above_the_line(rose, capsys):
    code, _, err = run(capsys, "prune", "root", "--debug")
    assert code == 1
    assert err.startswith("Traceback")
    assert err.endswith("tsugiki: the root is not pruned; name a branch\n")


def test_an_interrupted_command_gives_130(rose, capsys):
    code, _, err = run(capsys, "prune", "stop")
    assert code == 130
    assert len(err.splitlines()) <= 1


def test_an_interrupted_command_says_how_it_goes_on(rose, tmp_path, capsys, monkeypatch):
    def train(branch: str) -> None:
        with unfinished_output(tmp_path / "oak", run={}, keep=lambda _: True):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[import_string("fake_rose.shears:prune").__module__], "prune", train)
    code, out, err = run(capsys, "prune", "oak")
    assert (code, out) == (130, "")
    assert err.strip() == f"tsugiki: interrupted; the same command continues it from {tmp_path}/oak.partial"


def test_a_command_that_does_not_import_names_its_plugin(rose, capsys):
    code, _, err = run(capsys, "graft")
    assert code == 1
    assert "plugin 'rose' (tsugiki-rose) cannot import fake_rose.missing:graft: ModuleNotFoundError" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "no such command: 'lst'. Did you mean 'list'"),
        (["list", "--tsk", "x"], "No such option: --tsk"),
        (["predict", "lenet5-mnist"], "`tsugiki predict --help` shows the usage."),
        (["--verbose", "list"], "no such option before a command: --verbose"),
        (["predict", "m", "f", "--top-k", "0"], "top-k"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words, said, capsys):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_two_plugins_with_one_command_are_refused_until_one_is_named(rose, install_plugin, capsys):
    folder = install_plugin("thistle", ROSE.replace("rose", "thistle"))
    (folder / "shears.py").write_text(SHEARS)
    code, _, err = run(capsys, "prune", "oak")
    assert code == 1
    assert "'rose' (tsugiki-rose) and 'thistle' (tsugiki-thistle); write rose:prune" in err
    assert run(capsys, "thistle:prune", "oak")[1] == "pruned oak False\n"
    shown = run(capsys, "--help")[1]
    assert re.search(r"\n  rose:prune +Prune a branch\.\n", shown)
    assert re.search(r"\n  thistle:prune +Prune a branch\.\n", shown)


def test_a_plugin_cannot_take_a_command_of_the_core(install_plugin, capsys):
    install_plugin("rose", ROSE.replace('"prune"', '"list"'))
    assert re.search(r"\n  rose:list\b", run(capsys, "--help")[1])
    assert run(capsys, "list", "--json")[0] == 0


def test_a_reader_that_leaves_is_met_quietly():
    program = [sys.executable, "-c", "import sys; from tsugiki.cli import main; sys.exit(main(['--help']))"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == ""


def test_a_file_name_that_is_no_text_can_be_printed(tmp_path):
    program = (
        "import sys, tsugiki.cli.dispatch as d; d._run = lambda words, debug: print('caf\\udce9') or 0; d.main([])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    )
    assert run.stdout == b"caf\\udce9\n", run.stderr
