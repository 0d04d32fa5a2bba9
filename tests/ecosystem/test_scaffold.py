"""A stranger's plugin: written, installed by pip, used, checked, removed. Broken ones harm nobody else."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from tsugiki import cli
from tsugiki.errors import OptionError, OutputError
from tsugiki.recipes.recipe import Recipe
from tsugiki.scaffold import new_plugin
from tsugiki.scaffold.new_plugin import FIRST_PARTY, LONGEST

MAIN = "import sys; from tsugiki.cli import main; sys.exit(main(sys.argv[1:]))"
USE = """
import sys, tsugiki
from tsugiki.cli import main
model = tsugiki.create_model("leaves-net", num_labels=3)
model.save_pretrained("snapshot")
from tsugiki_leaves.processing import LeavesNetImageProcessor
LeavesNetImageProcessor().save_pretrained("snapshot")
loaded = tsugiki.load("./snapshot")
assert type(loaded).__name__ == "LeavesNetForImageClassification" and loaded.config.num_labels == 3
assert type(tsugiki.load_processor("./snapshot")).__name__ == "LeavesNetImageProcessor"
sys.exit(main(["check-plugin", "leaves", "--json"]))
"""


@dataclass(frozen=True)
class Installation:
    """A virtual environment that sees what this one has, and the plugin that pip installed there."""

    folder: Path
    source: Path

    def python(self, *words, check=True):
        command = [self.folder / "bin" / "python", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def tsugiki(self, *words, check=True):
        return self.python("-c", MAIN, *words, check=check)

    def pip(self, *words):
        options = ["--python", str(self.folder / "bin" / "python"), "--disable-pip-version-check", "--quiet"]
        done = subprocess.run([sys.executable, "-m", "pip", *options, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaves")
    written = new_plugin("leaves", folder / "tsugiki-leaves")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    site = next((folder / "venv").glob("lib/python*/site-packages"))
    (site / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})")
    return Installation(folder / "venv", written.path)


def test_written_installed_used_checked_removed(leaves):
    assert leaves.tsugiki("info", "leaves-net", check=False).returncode == 1

    leaves.pip("install", "--no-deps", "--no-index", "--no-build-isolation", leaves.source)
    facts = json.loads(leaves.tsugiki("info", "leaves-net", "--json").stdout)
    assert (facts["plugin"], facts["distribution"]) == ("leaves", "tsugiki-leaves")
    package = next(leaves.folder.glob("lib/python*/site-packages/tsugiki_leaves"))
    assert {path.name for path in package.iterdir()} >= {"leaves_net.py", "plugin.py", "processing.py", "py.typed"}
    report = json.loads(leaves.python("-c", USE).stdout)
    assert report["ok"]
    assert len(report["checks"]) >= 15
    left_out = {check["check"] for check in report["checks"] if check["status"] != "passed"}
    assert left_out == {"head_stands_on_the_base_model", "resized_tokens_work"}  # it has neither

    snapshot = package / "pretrained" / "leaves-net-1"
    snapshot.parent.mkdir()
    (leaves.folder / "snapshot").rename(snapshot)
    assert [info["name"] for info in json.loads(leaves.tsugiki("list", "leaves*", "--json").stdout)] == ["leaves-net-1"]
    shutil.rmtree(snapshot.parent)

    leaves.pip("uninstall", "--yes", "tsugiki-leaves")
    gone = leaves.tsugiki("info", "leaves-net", check=False)
    assert gone.returncode == 1
    assert "unknown model 'leaves-net'" in gone.stderr
    assert "leaves" not in leaves.tsugiki("list").stderr


@pytest.mark.parametrize("name", ["leaves", "a-name-of-many-words-net"])
def test_what_is_written_is_formatted_linted_and_typed(name, tmp_path):
    folder = new_plugin(name, tmp_path / "plugin").path
    # Torch and transformers alone would take a minute, and the standard library some seconds for each name.
    mypy = ["mypy", "--follow-imports", "skip", "--cache-dir", str(tmp_path.parent / "mypy")]
    for tool in (["ruff", "format", "--check", "."], ["ruff", "check", "."], mypy):
        done = subprocess.run([sys.executable, "-m", *tool], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_is_valid_and_untrained(leaves):
    recipe = Recipe.read(leaves.source / "hub_cards" / "leaves-net-fashion")
    assert (recipe.plugin, recipe.family, recipe.status) == ("leaves", "leaves-net", "untrained")


def test_nothing_of_it_imports_another_plugin(leaves):
    for path in leaves.source.rglob("*.py"):
        assert "tsugiki_vision" not in path.read_text()


@pytest.mark.parametrize("name", ["", "Leaves", "my_plugin", "-x", "x--y", "9lives", "a" * (LONGEST + 1), "../x"])
def test_a_bad_name_is_refused_with_one_that_would_do(name, tmp_path):
    with pytest.raises(OptionError, match=r"a plugin's name is made of .* try '[a-z]"):
        new_plugin(name, tmp_path / "plugin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*sorted(FIRST_PARTY), "tsugiki", "lenet", "image-classification"])
def test_a_name_of_the_project_is_refused(name, tmp_path):
    with pytest.raises(OptionError, match="the project's own"):
        new_plugin(name, tmp_path / "plugin")


def test_the_name_of_an_installed_plugin_is_refused(install_plugin, tmp_path):
    install_plugin("rose", 'from tsugiki import Plugin\nplugin = Plugin(name="rose")')
    with pytest.raises(OptionError, match=r"a plugin 'rose' is installed"):
        new_plugin("rose", tmp_path / "plugin")


def test_an_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        new_plugin("leaves", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    write, written = Path.write_text, []

    def fail(self, *args, **kwargs):
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OutputError, match="no space left on the disk"):
        new_plugin("leaves", tmp_path / "plugin")
    assert list(tmp_path.iterdir()) == []


SNAPSHOT_PLUGIN = """
from tsugiki import Plugin
plugin = Plugin(name="thistle", pretrained="fake_thistle/pretrained")
"""


def test_broken_plugins_are_named_and_everything_else_works(install_plugin, capsys):
    from tsugiki import list_models
    from tsugiki.registry import registry

    mine = [info.name for info in list_models()]
    install_plugin("rose", "import no_such_module_of_roses")
    install_plugin("thistle", SNAPSHOT_PLUGIN, snapshots=["lenet5-mnist", "thistle-1"])
    install_plugin("thorn", "raise SystemError('never imported')", requires=["tsugiki>=7"])
    assert cli.main(["list", "--json"]) == 0
    output = capsys.readouterr()
    warnings = output.err.splitlines()
    assert len(warnings) == 2
    assert (
        "'rose' (tsugiki-rose 1.0) is broken: ModuleNotFoundError: No module named 'no_such_module_of_roses'"
        in warnings[0]
    )
    assert "'thorn' (tsugiki-thorn 1.0) is broken: it wants tsugiki>=7" in warnings[1]
    names = [info["name"] for info in json.loads(output.out)]
    assert sorted(names) == sorted([*mine, "lenet5-mnist", "thistle-1"])
    assert registry().family("lenet").plugin_name == "vision"
    assert cli.main(["info", "thistle:lenet5-mnist"]) == 0
    capsys.readouterr()
    if "lenet5-mnist" in mine:
        assert cli.main(["info", "lenet5-mnist"]) == 1
        message = capsys.readouterr().err
        assert "'thistle' (tsugiki-thistle) and 'vision' (tsugiki-vision); write " in message
    assert cli.main(["check-plugin", "thorn"]) == 1
    assert "plugin 'thorn' (tsugiki-thorn 1.0) is broken: it wants tsugiki>=7" in capsys.readouterr().err
