"""What scripts import of the project is there: nothing else runs a benchmark on every change."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SCRIPTS = sorted([*REPO.glob("benchmarks/*.py"), *REPO.glob("examples/*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_name_that_a_script_imports_is_there(script):
    imports = [
        node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    ours = [(node.module, alias.name) for node in imports for alias in node.names if _is_ours(node.module)]
    assert [name for name in ours if not _is_there(*name)] == []


def _is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0].startswith("tsugiki")


def _is_there(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        return importlib.util.find_spec(f"{module}.{name}") is not None
    except ModuleNotFoundError:  # the module is no package
        return False
