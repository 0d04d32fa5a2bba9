"""Arrows point one way: plugins import the core, the core imports no plugin, plugins never import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SOURCES = [path for folder in ("registry/src", "packages") for path in sorted((REPO / folder).rglob("*.py"))]


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_nobody_imports_another_plugin(path):
    parts = path.relative_to(REPO).parts
    owner = parts[parts.index("src") + 1]
    others = {name for name in imported_packages(path) if name.startswith("tsugiki_") and name != owner}
    assert not others, f"{path} imports {others}: ask the registry by name instead"


def test_only_one_module_registers_with_transformers():
    pattern = ".register("
    modules = [
        path.name
        for path in SOURCES
        if any(line.lstrip().startswith("Auto") and pattern in line for line in path.read_text().splitlines())
    ]
    assert set(modules) <= {"auto_classes.py"}


@pytest.mark.parametrize(
    "package", sorted((REPO).glob("*/src/*/__init__.py")) + sorted(REPO.glob("packages/*/src/*/__init__.py"))
)
def test_every_package_is_typed(package):
    assert (package.parent / "py.typed").is_file()
