"""Pages for those who come: every path, module, script and option that they name is there."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tsugiki.cli.commands import COMMANDS
from tsugiki.recipes.recipe import Recipe
from tsugiki.registry import registry

REPO = Path(__file__).parents[2]
BENCHMARKS = sorted(path.stem for path in REPO.glob("benchmarks/*.py"))
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "registry/*.md",
        "packages/*/*.md",
        "benchmarks/*.md",
        "docs/*.md",
        "examples/*.md",
        "hub_cards/*.md",
    )
    for path in REPO.glob(pattern)
)
FILES = {
    path.name
    for folder in ("registry", "packages", "tests", "benchmarks", "examples")
    for path in (REPO / folder).rglob("*.py")
}
FILES |= {"noxfile.py"}
SVG = "{http://www.w3.org/2000/svg}"
LINE = re.compile(
    r"^\| \[(?P<name>\w+)\]\((?P<file>\w+\.py)\) \| (?P<claim>[^|]+) \| `(?P<command>[^`|]+)` \| (?P<figure>[^|]+) \|$",
    re.MULTILINE,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_every_link_leads_somewhere_and_says_where(page):
    for label, target in re.findall(r"\[([^\]]*)\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
        if label.endswith((".py", ".yaml")):
            assert label == file.name or str(file).endswith(f"/{label}")


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted(REPO.glob("hub_cards/*/card.md"))], ids=lambda page: str(page.relative_to(REPO))
)
def test_every_module_that_is_named_exists(page):
    """In prose; what stands in blocks of code is run."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"([a-z]\w+\.py)\b", text):
        assert name in FILES or "garden" in name, name
    for name in re.findall(r"`(tsugiki(?:_\w+)?(?:\.\w+)+)[`(]", text):
        if name != "tsugiki.plugins":  # the group of entry points
            pkgutil.resolve_name(name)


def lines() -> dict[str, re.Match[str]]:
    text = (REPO / "benchmarks" / "README.md").read_text(encoding="utf-8")
    return {found["name"]: found for found in LINE.finditer(text)}


def options_of(script: Path) -> set[str]:
    """What it accepts, read without running it."""
    calls = [node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    words = [
        word.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for word in call.args
        if isinstance(word, ast.Constant)
    ]
    return {word for word in words if word.startswith("-")}


def test_every_benchmark_has_one_line_and_no_line_is_left_over():
    text = (REPO / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert sorted(found["name"] for found in LINE.finditer(text)) == BENCHMARKS
    assert text.count(".py) |") == len(BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_command_of_a_benchmark_is_one_it_takes(name):
    found = lines()[name]
    assert found["file"] == f"{name}.py"
    assert f"python benchmarks/{name}.py" in found["command"]
    assert set(re.findall(r" (--[\w-]+)", found["command"])) <= options_of(REPO / "benchmarks" / found["file"])
    docstring = ast.get_docstring(ast.parse((REPO / "benchmarks" / found["file"]).read_text(encoding="utf-8")))
    assert f"python benchmarks/{name}.py" in docstring


# docs/design.md


def design() -> str:
    return (REPO / "docs" / "design.md").read_text(encoding="utf-8")


def package_of(path: Path) -> Path:
    """The folder below `src` that a source file belongs to."""
    return next(parent for parent in path.parents if parent.parent.name == "src")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(package_of(path).parent).with_suffix("").parts)


def test_the_picture_shows_files_and_names_that_exist():
    picture = ElementTree.parse(REPO / "docs" / "design.svg")
    texts = {kind: [found.text or "" for found in picture.iter(f"{SVG}text") if found.get("class") == kind]
             for kind in ("file", "title")}  # fmt: skip
    sources = [REPO / "registry" / "src" / "tsugiki", *REPO.glob("packages/*/src")]
    assert len(texts["file"]) >= 15
    for name in texts["file"]:
        assert any((source / name).is_file() for source in sources), name
    code = "".join(path.read_text(encoding="utf-8") for path in sources[0].rglob("*.py"))
    for name in texts["title"]:
        if name[0].isupper():  # a class, with a method of it
            owner, _, method = name.partition(".")
            assert re.search(
                rf"^class {owner}\b.*?^    def {method}\b" if method else rf"^class {owner}\b",
                code,
                re.MULTILINE | re.DOTALL,
            )
        elif name.startswith("tsugiki "):
            assert name.removeprefix("tsugiki ") in COMMANDS


def test_every_path_in_the_design_exists():
    places = [REPO, REPO / "registry" / "src" / "tsugiki", *REPO.glob("packages/*/src")]
    named = [path for path in re.findall(r"`([\w./-]+)`", design()) if "/" in path or path.endswith(".py")]
    assert len(named) > 20
    for path in named:
        found = [place for place in places if (place / path).exists() or list(place.glob(f"*/{path}"))]
        assert found, path


def test_every_room_has_its_line_and_says_what_its_package_says():
    rows = re.findall(r"^\| `(\w+)/` \| (.+) \|$", design(), re.MULTILINE)
    rooms = [
        path
        for pattern in ("registry/src/tsugiki/*/__init__.py", "packages/*/src/*/*/__init__.py")
        for path in REPO.glob(pattern)
    ]
    said = [
        (path.parent.name, (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0])
        for path in rooms
    ]
    assert sorted(rows) == sorted(said)


def test_the_rooms_of_the_core_import_only_those_above_them():
    """Late imports and those for types included; the root but for its two entrances imports none."""
    core = REPO / "registry" / "src" / "tsugiki"
    rooms = re.findall(r"^\| `(\w+)/` ", design().partition("Plugins import")[0], re.MULTILINE)
    assert sorted(rooms) == sorted(path.parent.name for path in core.glob("*/__init__.py"))
    order = ["", *rooms]
    for path in sorted({*core.rglob("*.py")} - {core / "__init__.py", core / "__main__.py"}):
        place = path.relative_to(core).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                start = place[: len(place) - node.level + 1]
                for alias in node.names:
                    target = (*start, *(node.module or alias.name).split("."))[0]
                    own, asked = (place or ("",))[0], target if target in rooms else ""
                    assert order.index(asked) <= order.index(own), f"{path.relative_to(core)} imports {asked}"


WAYS = re.findall(
    r"^\| (?:plugin|family|training|test|recipe|card) \| (.+) \| (.+) \| (.+) \|$", design(), re.MULTILINE
)


@pytest.mark.parametrize("way", list(zip(*WAYS, strict=True)), ids=["LeNet-5", "SCDV", "Bahdanau"])
def test_a_newcomers_way_holds(way):
    """Each step is named by the one before it."""
    readme, family, training, tests, recipe, card = (
        [(REPO / "docs" / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", cell)] for cell in way
    )
    assert str(readme[0].relative_to(REPO).parent) in (REPO / "README.md").read_text(encoding="utf-8")
    page = readme[0].read_text(encoding="utf-8")
    assert all(f"]({file.relative_to(readme[0].parent)})" in page for file in family)

    made = Recipe.read(recipe[0].parent)
    declaration = registry().family(made.family).declaration
    assert declaration.config.partition(":")[0] == module_of(family[0])
    trainer = declaration.trainers.get(made.task, "tsugiki.training.fit:fit")
    assert trainer.partition(":")[0] == module_of(training[0])
    assert training[0].parent in (family[0].parent, REPO / "registry" / "src" / "tsugiki" / "training")

    for file in tests:
        subject = next(
            path for path in (*family, *training) if path.stem == file.stem.removeprefix("test_")
        )  # called after what it tests, in the room of the same name
        assert file.parent.name == subject.parent.name
        assert module_of(subject) in file.read_text(encoding="utf-8")
    assert card[0].parent == recipe[0].parent
    assert made.name == card[0].parent.name
