"""Names and versions that stand in several files: the packages, the Pythons, bounds and pins of every library."""

from __future__ import annotations

import importlib.util
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tsugiki import first_party
from tsugiki.scaffold import new_plugin
from tsugiki.shared_tasks import SHARED_TASKS

REPO = Path(__file__).parents[2]
FOLDERS = [REPO / "registry", *sorted(path.parent for path in REPO.glob("packages/*/pyproject.toml"))]
NAMES = {f"tsugiki-{folder.name}" for folder in FOLDERS[1:]}
README = (REPO / "README.md").read_text(encoding="utf-8")


def toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """pyproject.toml of the plugin that `tsugiki new-plugin` writes."""
    return toml(new_plugin("leaves", tmp_path_factory.mktemp("plugin") / "leaves").path / "pyproject.toml")


def project(folder: Path) -> dict:
    return toml(folder / "pyproject.toml")["project"]


def requirements(folder: Path) -> list[Requirement]:
    """All that a distribution asks for: what builds it, what it needs, and its extras."""
    declared = project(folder)
    extras = [line for lines in declared.get("optional-dependencies", {}).values() for line in lines]
    built_by = toml(folder / "pyproject.toml")["build-system"]["requires"]
    return [Requirement(line) for line in (*built_by, *declared["dependencies"], *extras)]


def pins() -> dict[str, Version]:
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert len({canonicalize_name(name) for name, _ in found}) == len(found)
    return {canonicalize_name(name): Version(version) for name, version in found}


def tools() -> set[str]:
    """Packages of the dependency groups."""
    groups = toml(REPO / "pyproject.toml")["dependency-groups"].values()
    return {canonicalize_name(entry) for group in groups for entry in group if isinstance(entry, str)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_distribution_is_called_after_its_folder_and_has_the_same_face(folder):
    declared = project(folder)
    name = "tsugiki" if folder.name == "registry" else f"tsugiki-{folder.name}"
    assert declared["name"] == name
    assert declared["version"] == project(FOLDERS[0])["version"]
    assert (folder / "LICENSE").read_bytes() == (REPO / "LICENSE").read_bytes()
    if folder.name != "registry":
        core = Requirement(next(line for line in declared["dependencies"] if Requirement(line).name == "tsugiki"))
        assert declared["version"] in core.specifier
        assert (REPO / "tests" / "isolated" / f"{folder.name.replace('-', '_')}.py").is_file()


def test_the_extra_all_brings_every_plugin_and_nothing_else():
    everything = project(FOLDERS[0])["optional-dependencies"]["all"]
    assert {Requirement(line).name for line in everything} == NAMES


def test_the_table_of_the_readme_has_every_distribution_and_nothing_else():
    rows = re.findall(r"^\| \[`([\w/-]+)`\]\(\1\) \(`([\w-]+)`\) \|", README, re.MULTILINE)
    assert rows == sorted(rows, key=lambda row: (row[0] != "registry", row[0]))
    assert set(rows) == {(str(folder.relative_to(REPO)), project(folder)["name"]) for folder in FOLDERS}


def test_hints_name_distributions_that_exist():
    for table in (first_party.FAMILIES, first_party.CHECKPOINTS, first_party.TASKS):
        assert set(table.values()) <= {*NAMES, "tsugiki"}


def test_one_lower_bound_for_each_library(written):
    bounds: dict[str, set[str]] = {}
    for folder in FOLDERS:
        for found in requirements(folder):
            bounds.setdefault(canonicalize_name(found.name), set()).add(str(found.specifier))
    differing = {name: found for name, found in bounds.items() if len(found) > 1 and not name.startswith("tsugiki-")}
    assert not differing
    for found in map(Requirement, written["build-system"]["requires"]):
        assert {str(found.specifier)} == bounds[found.name]


def test_every_library_has_a_tested_version_within_its_bounds():
    pinned = pins()
    for folder in FOLDERS:
        for found in requirements(folder):
            name = canonicalize_name(found.name)
            if not name.startswith("tsugiki"):
                assert name in pinned, f"constraints.txt does not pin {found}"
                assert pinned[name] in found.specifier, f"{found} refuses the tested {pinned[name]}"
    assert tools() <= set(pinned)


def test_no_pin_is_left_over():
    wanted = {canonicalize_name(found.name) for folder in FOLDERS for found in requirements(folder)}
    below = {"pyarrow", "tokenizers"}  # of datasets and transformers, and imported here
    assert set(pins()) - wanted - tools() == below
    assert all(importlib.util.find_spec(name) is not None for name in below)


def test_one_list_of_pythons(written):
    declared = [project(folder) for folder in FOLDERS] + [written["project"]]
    classifiers = {
        tuple(line for line in found.get("classifiers", ()) if "Python ::" in line) for found in declared[:-1]
    }
    assert len(classifiers) == 1
    tried = [line.rpartition(" ")[2] for line in classifiers.pop()]
    assert {found["requires-python"] for found in declared} == {f">={tried[0]}"}
    workflow = yaml.safe_load((REPO / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == tried
    tool = toml(REPO / "pyproject.toml")["tool"]
    assert tool["mypy"]["python_version"] == tried[0]
    assert tool["ruff"]["target-version"] == written["tool"]["ruff"]["target-version"]
    assert tool["ruff"]["target-version"] == f"py{tried[0].replace('.', '')}"


def test_the_workflow_runs_the_test_command_of_the_readme():
    (command,) = re.findall(r"^python3 -m venv .*nox -s tests$", README, re.MULTILINE)
    assert command in (REPO / ".ci" / "run").read_text(encoding="utf-8")
    assert f"({command}) 2>&1" in (REPO / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")


def test_hint_tables_name_exactly_what_the_first_party_plugins_bring():
    families, checkpoints, tasks = {}, {}, {}
    for path in REPO.glob("packages/*/src/*/plugin.py"):
        distribution = f"tsugiki-{path.parts[-4]}"
        declared = runpy.run_path(str(path))["plugin"]
        families |= {family.name: distribution for family in declared.families}
        tasks |= dict.fromkeys(declared.tasks, distribution)
    for path in REPO.glob("packages/*/src/*/pretrained/*/config.json"):
        checkpoints[path.parent.name] = f"tsugiki-{path.parts[-6]}"
    assert families == first_party.FAMILIES
    assert tasks == first_party.TASKS
    assert not set(tasks) & set(SHARED_TASKS)
    assert checkpoints == first_party.CHECKPOINTS
