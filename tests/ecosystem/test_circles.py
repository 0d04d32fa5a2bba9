"""No import leads back to where it came from: neither among the files of a package nor among its folders.

Imports inside of functions count, and so do those for types alone. Files directly in a package's root are the folder
``.``; the façade, ``__init__.py`` and ``__main__.py`` of the root, imports what it likes and counts as neither.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest

REPO = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for root in ("registry", "packages/*") for path in REPO.glob(f"{root}/src/*/__init__.py"))
FACADE = {"__init__.py", "__main__.py"}

Graph = Mapping[str, set[str]]


def imported_names(tree: ast.AST, package: list[str]) -> Iterator[list[str]]:
    """Each imported name with its package, as parts: what ``from ..a import b`` in `package` names, say."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = [*start, *(node.module.split(".") if node.module else [])]
            yield from ([*module, alias.name] for alias in node.names)


def files_graph(package: Path) -> Graph:
    """Which files of a package import which others of it, by their paths; the façade is left out."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package)
        if own.as_posix() in FACADE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = imported_names(tree, [package.name, *own.parent.parts])
        targets = {target for parts in names if parts[0] == package.name for target in file_of(package, parts[1:])}
        found[own.as_posix()] = targets - {own.as_posix(), *FACADE}
    return found


def file_of(package: Path, parts: list[str]) -> list[str]:
    """The file that an imported name leads to: a module, or else the one that holds the name."""
    for length in range(len(parts), 0, -1):
        for candidate in (Path(*parts[:length]).with_suffix(".py"), Path(*parts[:length], "__init__.py")):
            if (package / candidate).is_file():
                return [candidate.as_posix()]
    return []


def folders_graph(files: Graph) -> Graph:
    """The same among folders; files in the root are the folder ``.``."""
    found: dict[str, set[str]] = {}
    for path, targets in files.items():
        own = PurePosixPath(path).parent.as_posix()
        found.setdefault(own, set()).update(PurePosixPath(target).parent.as_posix() for target in targets)
    return {folder: targets - {folder} for folder, targets in found.items()}


def circle(graph: Graph) -> list[str]:
    """A way from a node back to itself, or nothing."""
    finished: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in finished:
            return []
        for target in sorted(graph.get(node, ())):
            if found := walk(target, [*way, node]):
                return found
        finished.add(node)
        return []

    return next((found for node in sorted(graph) if (found := walk(node, []))), [])


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_import_leads_back(package, capsys):
    files = files_graph(package)
    folders = folders_graph(files)
    with capsys.disabled():
        imports = sum(map(len, files.values()))
        print(f"\n{package.name}: {len(files)} files, {len(folders)} folders, {imports} imports among them")
    assert circle(files) == []
    assert circle(folders) == []


PLANTED = {
    "__init__.py": "from .first import one",  # the façade may
    "first.py": "import planted\n\ndef one():\n    from .room.second import two",
    "room/__init__.py": "",
    "room/second.py": "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from ..other import third",
    "other/__init__.py": "",
    "other/third.py": "def three(): ...",
}
CLOSED = [
    (
        "other/third.py",
        "def three():\n    from planted.first import one",
        ["first.py", "room/second.py", "other/third.py"],
    ),
    ("other/third.py", "import planted.room.second", ["other/third.py", "room/second.py"]),
]


def plant(package: Path, **changes: str) -> Path:
    for name, source in {**PLANTED, **changes}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    return package


def assert_closes(found: list[str], way: list[str]) -> None:
    """It goes this way and ends where it began, wherever that is."""
    assert found[0] == found[-1]
    start = way.index(found[0])
    assert found[:-1] == way[start:] + way[:start]


@pytest.mark.parametrize(("file", "source", "way"), CLOSED)
def test_planted_circle_is_found(tmp_path, file, source, way):
    assert circle(files_graph(plant(tmp_path / "planted"))) == []
    files = files_graph(plant(tmp_path / "planted", **{file: source}))
    assert_closes(circle(files), way)


def test_circle_among_folders_alone_is_found(tmp_path):
    """No file of it imports itself by a detour, but each of the two folders needs the other."""
    files = files_graph(plant(tmp_path / "planted", **{"other/fourth.py": "from ..room import second"}))
    assert circle(files) == []
    assert_closes(circle(folders_graph(files)), ["other", "room"])
