"""The toy as the only plugin there is, for the tests of the core and for scripts beside them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

TOY = Path(__file__).parent / "toy"
GROUP = "tsugiki.plugins"
sys.path.append(str(TOY))  # test modules import the package; a plugin it is within `toy_alone`


def write_distribution(site: Path, name: str, entry_points: str = "") -> None:
    """Metadata of an installed distribution. Where there are two of one name, the first on the path counts."""
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)


@contextlib.contextmanager
def toy_alone(site: Path) -> Iterator[None]:
    """Hide every installed plugin: its entry point, and its package from whoever imports it, in subprocesses too.

    Args:
        site: An empty folder, for metadata.
    """
    from tsugiki.registry import refresh

    hidden = {}
    for point in metadata.entry_points(group=GROUP):
        if point.dist is not None:
            write_distribution(site, point.dist.metadata["Name"])
            package = point.module.partition(".")[0]
            (site / f"{package}.py").write_text(f"raise ImportError('the core needs no {package}')\n")
            hidden |= {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}
    write_distribution(site, "tsugiki-toy", f"[{GROUP}]\ntoy = tsugiki_toy.plugin:plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        paths = [str(site), str(TOY), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        for name in hidden:
            patch.delitem(sys.modules, name)
        assert list(refresh().plugins) == ["toy"]
        yield
    refresh()
