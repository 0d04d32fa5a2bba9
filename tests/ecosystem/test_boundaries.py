"""What each place keeps to itself.

Trainers are not asked what they take; plugins' figures and the fields of a provenance have no second home.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from tsugiki.registry import registry
from tsugiki.shared_tasks import SHARED_TASKS
from tsugiki.snapshots.provenance import FILE, Provenance

REPO = Path(__file__).parents[2]
CORE = REPO / "registry/src/tsugiki"
SOURCES = sorted(path for root in ("registry", "packages/*") for path in REPO.glob(f"{root}/src/**/*.py"))
# Commands are built from functions, and the conformance kit reads a stranger's forward.
MAY_READ_SIGNATURES = (CORE / "cli", CORE / "testing")
PROVENANCE = CORE / "snapshots/provenance.py"
SEAL = CORE / "cards/seal.py"  # digests the file's text digit by digit, and reads the section that it wrote itself
ITS_FIELDS = {field.name for field in dataclasses.fields(Provenance)}


def read_signatures(tree: ast.AST) -> Iterator[str]:
    """Where the parameters of a function other than a network's forward are looked at while the program runs."""
    of_forward = {
        node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args
        and ast.unparse(node.args[0]).rpartition(".")[2] == "forward"
    }  # fmt: skip
    for node in ast.walk(tree):
        if node in of_forward:
            continue
        if isinstance(node, ast.Attribute) and node.attr in {"signature", "getfullargspec", "__code__"}:
            if node.attr == "__code__" or (isinstance(node.value, ast.Name) and node.value.id == "inspect"):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module == "inspect":
            yield from (f"line {node.lineno}: {name.name}" for name in node.names if name.name == "signature")


def keys_of_provenance(tree: ast.AST) -> Iterator[str]:
    """Where a field of a provenance is read or written by its name as a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            owner, key = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "pop"}:
            owner, key = node.func.value, node.args[0] if node.args else None
        else:
            continue
        if isinstance(key, ast.Constant) and key.value in ITS_FIELDS and "provenance" in ast.unparse(owner).lower():
            yield f"line {node.lineno}: {ast.unparse(node)}"


def words(tree: ast.AST) -> Iterator[str]:
    """Every string that is no docstring, those of f-strings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def findings(rule, paths) -> list[str]:
    return [
        f"{path.relative_to(REPO)}: {found}" for path in paths for found in rule(ast.parse(path.read_text("utf-8")))
    ]


def test_no_trainer_is_asked_what_it_takes():
    paths = [path for path in SOURCES if not any(path.is_relative_to(folder) for folder in MAY_READ_SIGNATURES)]
    assert len(paths) > 300
    assert findings(read_signatures, paths) == []


def test_a_provenance_is_read_by_its_fields():
    paths = [path for path in SOURCES if path not in (PROVENANCE, SEAL)]
    assert findings(keys_of_provenance, paths) == []
    named = [path for path in SOURCES if any(word == FILE for word in words(ast.parse(path.read_text("utf-8"))))]
    assert named == [PROVENANCE]


def test_the_core_knows_no_figure_of_a_plugin():
    by_task: dict[str, set[str]] = {}
    for checkpoint in registry().checkpoints():
        provenance = Provenance.read(checkpoint.path)
        for evaluation in provenance.evaluations:
            names = {name.removesuffix(f"_{evaluation.name}") for name in evaluation.metrics}
            by_task.setdefault(evaluation.task or provenance.task, set()).update(names)
    shared = set().union(*(by_task.get(task, set()) for task in SHARED_TASKS))
    plugins = set().union(*by_task.values()) - shared
    assert {"bleu", "perplexity", "analogy_accuracy"} & plugins
    known = {
        f"{path.relative_to(REPO)}: {word}"
        for path in CORE.rglob("*.py")
        for word in words(ast.parse(path.read_text("utf-8")))
        if word in plugins
    }
    assert known == set()


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (read_signatures, "inspect.signature(trainer)"),
        (read_signatures, "from inspect import signature"),
        (read_signatures, "trainer.__code__.co_varnames"),
        (keys_of_provenance, "provenance['weights']['sha256']"),
        (keys_of_provenance, "provenance_of(folder).get('card')"),
        (keys_of_provenance, "self.provenance['card'] = None"),
    ],
)
def test_a_planted_one_is_found(rule, line):
    assert list(rule(ast.parse(line)))
