"""Pages for those who come: every path, module, script and option that they name is there."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import pytest

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
