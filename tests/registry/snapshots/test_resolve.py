"""From a name to a folder: paths, embedded snapshots, and what is no name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tsugiki.errors import AmbiguousNameError, HubError, OptionError, SnapshotError, UnknownNameError
from tsugiki.snapshots.resolve import resolve

MANIFEST = """
from tsugiki.plugin import Plugin
plugin = Plugin(name="{name}", pretrained="fake_{name}/pretrained")
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "net"
    path.mkdir()
    (path / "config.json").write_text("{}")
    return path


def test_folder_is_found_as_path_and_as_text(folder, monkeypatch):
    assert resolve(folder) == folder
    assert resolve(str(folder)) == folder
    monkeypatch.chdir(folder.parent)
    assert resolve("./net") == Path("net")
    assert resolve("net") == Path("net")
    monkeypatch.chdir(folder)
    assert resolve("../net") == Path("../net")
    assert resolve(".") == Path()


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("~/net") == folder


def test_embedded_snapshot_is_found_bare_and_with_its_plugin(install_plugin):
    package = install_plugin("rose", MANIFEST.format(name="rose"), snapshots=["rose-small"])
    assert resolve("rose-small") == package / "pretrained" / "rose-small"
    assert resolve("rose:rose-small") == package / "pretrained" / "rose-small"


def test_name_of_two_plugins_is_refused(install_plugin):
    install_plugin("rose", MANIFEST.format(name="rose"), snapshots=["small"])
    install_plugin("tulip", MANIFEST.format(name="tulip"), snapshots=["small"])
    with pytest.raises(AmbiguousNameError, match=r"tsugiki-rose.*tsugiki-tulip.*rose:small or tulip:small"):
        resolve("small")


def test_folder_that_is_no_snapshot_does_not_hide_an_installed_name(install_plugin, tmp_path, monkeypatch):
    package = install_plugin("rose", MANIFEST.format(name="rose"), snapshots=["rose-small"])
    (tmp_path / "rose-small").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("rose-small") == package / "pretrained" / "rose-small"


def test_unknown_name_suggests_the_nearest(install_plugin):
    install_plugin("rose", MANIFEST.format(name="rose"), snapshots=["rose-small"])
    with pytest.raises(UnknownNameError, match=r"'rose-smal'.*Did you mean 'rose-small'"):
        resolve("rose-smal")
    with pytest.raises(UnknownNameError, match="empty"):
        resolve("")


@pytest.mark.parametrize("name", ["vision:../secret", "org/../secret", "net/../../etc", "org\\name", "a:.."])
def test_dots_in_a_name_are_refused(name):
    with pytest.raises(SnapshotError, match="not allowed in names"):
        resolve(name)


@pytest.mark.parametrize("name", ["../nowhere", "/nowhere/at/all", "./nowhere", "~/nowhere-at-all"])
def test_path_to_nowhere_is_one_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SnapshotError, match=r"nowhere.* is not a folder"):
        resolve(name)


def test_folder_without_config_is_no_snapshot(tmp_path, monkeypatch):
    with pytest.raises(SnapshotError, match=r"holds no config\.json"):
        resolve(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SnapshotError, match=r"runs/first is no snapshot: it holds no config\.json"):
        resolve("runs/first")


def test_name_too_long_for_a_path_is_unknown():
    with pytest.raises(UnknownNameError):
        resolve("x" * 5000)
    with pytest.raises(SnapshotError, match="leads nowhere"):
        resolve("~no-such-user-here/net")


def test_hub_id_that_is_a_missing_folder_says_so():
    with pytest.raises(HubError, match=r"runs/first is not in the local cache.*nor is there a folder runs/first"):
        resolve("runs/first")


@pytest.mark.parametrize("name", ["a/b/c", "org/", "org/na me", "org/-x", "https://example.com/net"])
def test_odd_names_never_reach_the_hub(name):
    with pytest.raises(SnapshotError, match=r"neither an existing folder"):
        resolve(name)


def test_revision_is_for_the_hub_only(folder, install_plugin):
    install_plugin("rose", MANIFEST.format(name="rose"), snapshots=["rose-small"])
    for name in (folder, str(folder), "rose-small"):
        with pytest.raises(OptionError, match="'main' is for Hub repositories"):
            resolve(name, revision="main")
