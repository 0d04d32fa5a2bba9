"""Fixtures that all parts share: a clean environment and fake distributions."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from . import processes

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks here are tiny, and threads cost them more than they bring

REPO = Path(__file__).parents[1]
MIRROR_VARIABLE = "TSUGIKI_DATASETS"
WANT_OF_DATA = "want of data: "


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the feature cache of a test to itself, and the plugin variables unset."""
    monkeypatch.setenv("TSUGIKI_CACHE", str(tmp_path / "tsugiki-cache"))
    for name in ("TSUGIKI_PLUGINS", "TSUGIKI_STRICT"):
        monkeypatch.delenv(name, raising=False)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"data(*names): needs these data sets in the folder that {MIRROR_VARIABLE} names"
    )
    config.addinivalue_line("markers", "two_processes(job): looks at what two processes make of this function")
    config.addinivalue_line("markers", "killed(job): looks at what this function leaves, which kills its process")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose data is not here. Where CI names a mirror, nothing may be missing from it."""
    from tsugiki.mirror import mirror_folder

    for mark in item.iter_markers("data"):
        missing = [name for name in mark.args if mirror_folder(name) is None]
        if missing and "CI" in os.environ and MIRROR_VARIABLE in os.environ:
            pytest.fail(f"{os.environ[MIRROR_VARIABLE]} lacks {', '.join(missing)}", pytrace=False)
        if missing:
            pytest.skip(f"{WANT_OF_DATA}{', '.join(missing)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests wanted data, so that a run without it cannot pass for a whole one."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    count = sum(WANT_OF_DATA in reason for reason in reasons)
    terminalreporter.write_line(f"{count} test{'' if count == 1 else 's'} skipped for want of data ({MIRROR_VARIABLE})")


def _filled(kind: str, request: pytest.FixtureRequest, paths: pytest.TempPathFactory) -> Path:
    """The folder of the test's job: one launch serves all tests that see the same plugins, in whichever process.

    Those of the core see others than those of the plugins do.
    """
    base = paths.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    core = REPO / "tests" / "registry"
    of_core = request.path.is_relative_to(core)
    folder = shared / f"{kind}-{'core' if of_core else 'plugins'}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            items = [item for item in request.session.items if item.path.is_relative_to(core) == of_core]
            jobs = {mark.kwargs["job"] for item in items for mark in item.iter_markers(kind)}
            processes.launch(kind, folder, sorted(map(processes.name_of, jobs)))
    (mark,) = request.node.iter_markers(kind)
    return processes.result(folder, mark.kwargs["job"])


@pytest.fixture
def made_by_two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes filled with the job of the test's mark ``two_processes``."""
    return _filled("two_processes", request, tmp_path_factory)


@pytest.fixture
def left_by_killed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the job of the test's mark ``killed`` was filling when its process was killed."""
    return _filled("killed", request, tmp_path_factory)


InstallPlugin = Callable[..., Path]


def _registrations() -> list[dict]:
    """The tables that registering a family adds to: those of transformers' Auto classes and the project's own."""
    from tsugiki.snapshots import auto_classes

    tables = [auto_classes._registered, auto_classes._processors, auto_classes._pipelines]
    for name in ("configuration", "modeling", "tokenization", "image_processing", "feature_extraction", "processing"):
        module = vars(importlib.import_module(f"transformers.models.auto.{name}_auto"))
        tables += [
            module[name] for name in ("REGISTERED_TOKENIZER_CLASSES", "REGISTERED_FAST_ALIASES") if name in module
        ]
        extras = [getattr(mapping, "_extra_content", None) for mapping in module.values()]
        tables += [extra for extra in extras if isinstance(extra, dict)]
    return tables


@contextmanager
def own_registrations(*, empty: bool = False) -> Iterator[None]:
    """Forget what is registered in here when it is left, and, where `empty`, until then what was registered before."""
    from transformers.pipelines import PIPELINE_REGISTRY

    pipelines = PIPELINE_REGISTRY.supported_tasks
    tables = [*_registrations(), pipelines]
    before = [(table, dict(table)) for table in tables]
    if empty:
        for task in _registrations()[2]:
            pipelines.pop(task, None)
        for table in tables[:-1]:
            table.clear()
    try:
        yield
    finally:
        for table, content in before:
            table.clear()
            table.update(content)


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """Install a fake distribution: ``install_plugin("rose", manifest_source, requires=[...], snapshots=[...])``.

    The manifest is the source of ``<package>/plugin.py``; the entry point is called after the plugin. What is
    registered during the test is forgotten after it.
    """
    from tsugiki.registry import refresh

    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    packages: list[str] = []

    def install(
        name: str,
        manifest: str,
        *,
        package: str | None = None,
        distribution: str | None = None,
        version: str = "1.0",
        requires: list[str] | None = None,
        snapshots: list[str] | None = None,
    ) -> Path:
        package = package or f"fake_{name.replace('-', '_')}"
        distribution = distribution or f"tsugiki-{name}"
        packages.append(package)
        folder = site / package
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "plugin.py").write_text(textwrap.dedent(manifest))
        for snapshot in snapshots or []:
            (folder / "pretrained" / snapshot).mkdir(parents=True)
            (folder / "pretrained" / snapshot / "config.json").write_text('{"model_type": "tsugiki_rose"}')
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires or []]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(f"[tsugiki.plugins]\n{name} = {package}.plugin:plugin\n")
        importlib.invalidate_caches()
        refresh()
        return folder

    with own_registrations():
        yield install
    for package in packages:
        for module in [module for module in sys.modules if module.partition(".")[0] == package]:
            del sys.modules[module]
    monkeypatch.undo()
    refresh()
