"""A stranger's plugin: written, installed by pip, used, checked, removed. Broken ones harm nobody else."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tsugiki import cli
from tsugiki.errors import OptionError, OutputError
from tsugiki.recipe import Recipe
from tsugiki.scaffold import new_plugin
from tsugiki.scaffold.new_plugin import FIRST_PARTY, LONGEST

MAIN = "import sys; from tsugiki.cli import main; sys.exit(main(sys.argv[1:]))"


def tsugiki(*words, site, check=True):
    """Run the command line in a process of its own that sees the packages installed in `site`."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", MAIN, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def pip(*words):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """A plugin as `new-plugin` writes it, and a folder that pip has installed it into."""
    folder = tmp_path_factory.mktemp("leaves")
    written = new_plugin("leaves", folder / "tsugiki-leaves")
    site = folder / "site"
    pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--target", site, written.path)
    return written.path, site


def test_new_plugin_installs_is_listed_creates_loads_and_passes_its_checks(leaves, tmp_path):
    _, site = leaves
    infos = json.loads(tsugiki("info", "leaves-net", "--json", site=site).stdout)
    assert (infos["plugin"], infos["distribution"]) == ("leaves", "tsugiki-leaves")
    # One process for the rest: a model is made, put among the plugin's snapshots, listed and loaded by name.
    program = textwrap.dedent(
        """
        import sys, tsugiki
        from pathlib import Path
        import tsugiki_leaves
        from tsugiki_leaves.processing import LeavesNetImageProcessor
        snapshot = Path(tsugiki_leaves.__file__).parent / "pretrained" / "leaves-net-test"
        model = tsugiki.create_model("leaves-net", num_labels=3)
        model.save_pretrained(snapshot)
        LeavesNetImageProcessor().save_pretrained(snapshot)
        assert [info.name for info in tsugiki.list_models(plugin="leaves")] == ["leaves-net-test"]
        loaded = tsugiki.load("leaves-net-test")
        assert type(loaded).__name__ == "LeavesNetForImageClassification"
        assert type(tsugiki.load_processor("leaves-net-test")).__name__ == "LeavesNetImageProcessor"
        tsugiki.refresh()
        import shutil; shutil.rmtree(snapshot.parent)
        from tsugiki.cli import main
        sys.exit(main(["check-plugin", "leaves", "--json"]))
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert len(report["checks"]) >= 15
    assert {check["status"] for check in report["checks"]} == {"passed"}


def test_uninstalled_it_is_gone(leaves, tmp_path):
    _, site = leaves
    copy = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--target", copy, leaves[0])
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "pip", "--quiet", "uninstall", "--yes", "--break-system-packages", "tsugiki-leaves"]
    assert "leaves-net" in tsugiki("info", "leaves-net", site=copy).stdout
    subprocess.run(command, env=environment, check=True, capture_output=True)
    gone = tsugiki("info", "leaves-net", site=copy, check=False)
    assert gone.returncode == 1
    assert "unknown" in gone.stderr
    assert "leaves" not in tsugiki("list", site=copy).stderr


def test_the_wheel_holds_the_template(leaves):
    files = {path.relative_to(leaves[1]).as_posix() for path in leaves[1].rglob("*") if path.is_file()}
    assert "tsugiki_leaves/py.typed" in files
    assert "tsugiki_leaves/leaves_net.py" in files


@pytest.mark.parametrize("name", ["leaves", "a-name-of-many-words-net"])
def test_what_is_written_is_formatted_linted_and_typed(name, tmp_path):
    folder = new_plugin(name, tmp_path / "plugin").path
    for tool in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy", "--cache-dir", os.devnull]):
        done = subprocess.run([sys.executable, "-m", *tool], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_is_valid_and_untrained(leaves):
    recipe = Recipe.read(leaves[0] / "hub_cards" / "leaves-net-fashion")
    assert (recipe.plugin, recipe.family, recipe.status) == ("leaves", "leaves-net", "untrained")


def test_nothing_of_it_imports_another_plugin(leaves):
    for path in leaves[0].rglob("*.py"):
        assert "tsugiki_vision" not in path.read_text()


@pytest.mark.parametrize("name", ["", "Leaves", "my_plugin", "-x", "x--y", "9lives", "a" * (LONGEST + 1), "../x"])
def test_a_bad_name_is_refused_with_one_that_would_do(name, tmp_path):
    with pytest.raises(OptionError, match="a plugin's name is made of .* try '[a-z]"):
        new_plugin(name, tmp_path / "plugin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*sorted(FIRST_PARTY), "tsugiki", "lenet", "image-classification"])
def test_a_name_of_the_project_is_refused(name, tmp_path):
    with pytest.raises(OptionError, match="the project's own"):
        new_plugin(name, tmp_path / "plugin")


def test_the_name_of_an_installed_plugin_is_refused(install_plugin, tmp_path):
    install_plugin("rose", 'from tsugiki import Plugin\nplugin = Plugin(name="rose")')
    with pytest.raises(OptionError, match="a plugin 'rose' is installed"):
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
    assert "'rose' (tsugiki-rose 1.0) is broken: ModuleNotFoundError: No module named 'no_such_module_of_roses'" in warnings[0]
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
