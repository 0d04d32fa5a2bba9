"""The registry: scanning, names, collisions, broken plugins."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tsugiki import Family, Plugin, list_models
from tsugiki.errors import AmbiguousNameError, PluginError, UnknownNameError
from tsugiki.registry import refresh, registry
from tsugiki.shared_tasks import SHARED_TASKS
from tsugiki.snapshots.listing import natural_key

ROSE = """
    from tsugiki import Family, Plugin

    plugin = Plugin(
        "rose",
        families=[Family("rose", config="fake_rose.net:RoseConfig", models={"base": "fake_rose.net:Rose"})],
        tasks={"smelling": "fake_rose.tasks:Smelling"},
        commands={"smell": "fake_rose.cli:command"},
        pretrained="fake_rose/pretrained",
    )
"""


def test_a_strangers_plugin_is_found_like_our_own(install_plugin):
    install_plugin("rose", ROSE, snapshots=["rose-red"])
    found = registry()
    assert found.family("rose").model_type == "tsugiki_rose"
    assert found.family("rose:rose") == found.family("rose")
    assert found.checkpoint("rose-red").path.name == "rose-red"
    assert found.commands()["smell"] == ("rose", "fake_rose.cli:command")
    assert found.tasks()["smelling"] == "rose"
    assert [info.name for info in list_models(plugin="rose")] == ["rose-red"]


def test_scan_is_cached_until_refreshed(install_plugin):
    before = registry()
    assert registry() is before
    install_plugin("rose", ROSE)
    assert registry() is not before


def test_a_plugin_that_fails_to_import_is_set_apart_and_named(install_plugin):
    install_plugin("thorn", "raise RuntimeError('no sap')")
    (broken,) = registry().broken
    assert broken.distribution == "tsugiki-thorn"
    assert "RuntimeError: no sap" in broken.describe()
    assert "plain" in [family.name for family in registry().families()]
    with pytest.raises(UnknownNameError, match=r"tsugiki-thorn 1.0.*no sap") as caught:
        registry().family("thornbush")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_strict_mode_raises_instead(install_plugin, monkeypatch):
    install_plugin("thorn", "raise RuntimeError('no sap')")
    monkeypatch.setenv("TSUGIKI_STRICT", "1")
    with pytest.raises(PluginError, match="no sap"):
        refresh()


@pytest.mark.parametrize("requirement", ["tsugiki>=99", "tsugiki (<0.0.1)", "Tsugiki==7.*"])
def test_another_core_version_is_refused_before_import(install_plugin, requirement):
    folder = install_plugin("rose", "import nothing_of_this_may_run", requires=[requirement, "tsugiki-another>=0.1"])
    (broken,) = registry().broken
    assert "it wants tsugiki" in broken.describe()
    assert "fake_rose.plugin" not in sys.modules
    assert folder.exists()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("plugin = 3", "is not a tsugiki.Plugin"),
        ("from tsugiki import Plugin\nplugin = Plugin('tulip')", "is called 'rose' and its Plugin 'tulip'"),
        ("from tsugiki import Plugin\nplugin = Plugin('rose', tasks={'smelling': 'nowhere'})", "package.module:Name"),
    ],
)
def test_a_wrong_manifest_names_its_fault(install_plugin, manifest, message):
    install_plugin("rose", manifest)
    assert message in registry().broken[0].describe()


def test_a_bare_name_that_two_claim_is_refused_and_the_qualified_one_works(install_plugin):
    install_plugin("rose", ROSE, snapshots=["rose-red"])
    install_plugin(
        "briar", ROSE.replace("fake_rose", "fake_briar").replace('"rose",', '"briar",', 1), snapshots=["rose-red"]
    )
    with pytest.raises(AmbiguousNameError, match=r"tsugiki-briar.*tsugiki-rose"):
        registry().checkpoint("rose-red")
    assert registry().checkpoint("rose:rose-red").distribution == "tsugiki-rose"
    assert registry().checkpoint("briar:rose-red").distribution == "tsugiki-briar"


FLOWERS = """
    from tsugiki import Family, Plugin

    plugin = Plugin(
        "rose",
        families=[
            Family(
                "rose",
                config="fake_rose.net:RoseConfig",
                models={"audio-classification": "fake_rose.net:RoseForAudioClassification"},
            )
        ],
        tasks={"audio-classification": "fake_rose.tasks:Listening", "smelling": "fake_rose.tasks:Smelling"},
    )
"""
SMELLING = """
class Smelling:
    name = "smelling"

class Listening:
    name = "audio-classification"
"""


def test_a_shared_task_is_the_cores_and_needs_no_other_plugin(monkeypatch):
    from tsugiki.tasks.text_classification import TextClassification

    for plugins in ("toy", ""):
        monkeypatch.setenv("TSUGIKI_PLUGINS", plugins)
        assert refresh().task_class("text-classification") is TextClassification
        assert registry().tasks()["text-classification"] == "tsugiki"
    monkeypatch.undo()
    refresh()


def test_a_stranger_who_declares_a_shared_task_takes_it_from_nobody(install_plugin):
    from tsugiki.tasks.audio_classification import AudioClassification

    (install_plugin("rose", FLOWERS) / "tasks.py").write_text(SMELLING)
    found = registry()
    assert found.task_class("audio-classification") is AudioClassification
    assert found.tasks()["audio-classification"] == "tsugiki"
    assert found.task_class("rose:audio-classification").__name__ == "Listening"
    assert found.task_class("smelling").__name__ == "Smelling"
    with pytest.raises(UnknownNameError, match="unknown task 'toy:audio-classification'"):
        found.task_class("toy:audio-classification")


def test_shared_tasks_exist_under_their_names():
    for name in SHARED_TASKS:
        assert registry().task_class(name).name == name


def test_public_weights_that_two_plugins_read_are_refused(install_plugin):
    manifest = ROSE.replace("tasks=", 'public_weights={"briar18": "fake_rose.weights:read"}, tasks=')
    install_plugin("rose", manifest)
    install_plugin("briar", manifest.replace("fake_rose", "fake_briar").replace('"rose",', '"briar",', 1))
    assert "briar18" in registry().public_architectures()
    with pytest.raises(AmbiguousNameError, match=r"'briar18' is claimed by .*tsugiki-briar.*tsugiki-rose"):
        registry().public_weights_reader("briar18")


def install_two_of_one_name(install_plugin, distribution):
    install_plugin("vision", "raise AssertionError('imported')")
    install_plugin("vision", "raise AssertionError('imported')", package="fake_stranger", distribution=distribution)


@pytest.mark.parametrize("distribution", ["a-stranger", "zz-stranger"])
def test_two_plugins_of_one_name_are_both_refused_and_neither_is_imported(install_plugin, distribution):
    install_two_of_one_name(install_plugin, distribution)
    first, second = sorted(["tsugiki-vision", distribution])
    assert "vision" not in registry().plugins
    assert [broken.describe().partition(" is broken: ")[2] for broken in registry().broken] == [
        f"its name is claimed by {first} and {second}; uninstall one of them"
    ] * 2
    assert {broken.distribution for broken in registry().broken} == {first, second}
    for name in ("lenet5-mnist", "vision:lenet5-mnist"):
        with pytest.raises(UnknownNameError, match=f"claimed by {first} and {second}; uninstall one") as unknown:
            registry().checkpoint(name)
        assert "pip install" not in str(unknown.value)


def test_two_plugins_of_one_name_stop_a_strict_scan(install_plugin, monkeypatch):
    install_two_of_one_name(install_plugin, "a-stranger")
    monkeypatch.setenv("TSUGIKI_STRICT", "1")
    with pytest.raises(PluginError, match="claimed by a-stranger and tsugiki-vision"):
        refresh()
    monkeypatch.undo()


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown family 'plian'\. Did you mean 'plain'.*tsugiki list"):
        registry().family("plian")


def test_unknown_name_of_a_first_party_package_says_what_to_install(monkeypatch):
    monkeypatch.setenv("TSUGIKI_PLUGINS", "")
    refresh()
    assert registry().plugins == {}
    with pytest.raises(UnknownNameError, match=r"comes with tsugiki-vision: pip install ./packages/vision"):
        registry().family("lenet")
    monkeypatch.undo()
    refresh()


def test_allow_list_limits_what_is_loaded(install_plugin, monkeypatch):
    install_plugin("rose", ROSE)
    monkeypatch.setenv("TSUGIKI_PLUGINS", "rose, tulip")
    assert list(refresh().plugins) == ["rose"]
    monkeypatch.undo()


def test_classes_that_fail_to_import_name_their_plugin(install_plugin):
    install_plugin("rose", ROSE)
    with pytest.raises(PluginError, match=r"plugin 'rose' \(tsugiki-rose\) cannot import fake_rose.net:RoseConfig"):
        registry().family("rose").config_class()


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, json, tsugiki; tsugiki.list_models(); "
        "heavy = {'torch', 'transformers', 'numpy', 'datasets', 'yaml', 'huggingface_hub', 'typer', 'rich'};"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_natural_order_puts_small_numbers_first():
    names = ["resnet110", "resnet18", "lenet5-mnist", "resnet50"]
    assert sorted(names, key=natural_key) == ["lenet5-mnist", "resnet18", "resnet50", "resnet110"]


@pytest.mark.parametrize("name", ["LeNet", "le net", "../lenet", "", "-lenet"])
def test_odd_names_are_refused_in_a_manifest(name):
    with pytest.raises(PluginError, match="must be lower-case"):
        Family(name, config="a.b:C", models={})


def test_a_family_declared_twice_is_refused():
    family = Family("rose", config="a.b:C", models={})
    with pytest.raises(PluginError, match="declares the family 'rose' twice"):
        Plugin("rose", families=(family, family))
