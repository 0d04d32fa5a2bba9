"""The core alone: of all plugins these tests see the toy, in this process and in those that they start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from ..conftest import own_registrations

TOY = Path(__file__).parent / "toy"
GROUP = "tsugiki.plugins"
sys.path.append(str(TOY))  # test modules import the package; a plugin it is in the fixture below alone


def write_distribution(site: Path, name: str, entry_points: str = "") -> None:
    """Metadata of an installed distribution. Where there are two of one name, the first on the path counts."""
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)


@pytest.fixture(scope="package", autouse=True)
def _only_the_toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide every installed plugin: its entry point, and its package from whoever imports it."""
    from tsugiki.registry import refresh

    site = tmp_path_factory.mktemp("site")
    hidden = {}
    for point in metadata.entry_points(group=GROUP):
        if point.dist is not None:
            write_distribution(site, point.dist.metadata["Name"])
            package = point.module.partition(".")[0]
            (site / f"{package}.py").write_text(f"raise ImportError('the core needs no {package}')\n")
            hidden |= {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}
    write_distribution(site, "tsugiki-toy", f"[{GROUP}]\ntoy = tsugiki_toy.plugin:plugin\n")
    with pytest.MonkeyPatch.context() as patch, own_registrations(empty=True):
        patch.syspath_prepend(str(site))
        paths = [str(site), str(TOY), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        for name in hidden:
            patch.delitem(sys.modules, name)
        assert list(refresh().plugins) == ["toy"]
        yield
    refresh()


@pytest.fixture(autouse=True)
def _own_registrations() -> Iterator[None]:
    with own_registrations():
        yield
