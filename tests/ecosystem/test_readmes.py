"""What the READMEs print runs: commands and Python, in order, on small files of the names that they use."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.cli.commands import COMMANDS
from tsugiki.cli.errors import USAGE_ERROR
from tsugiki.errors import HubError
from tsugiki.registry import registry

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", REPO / "registry" / "README.md", *sorted(REPO.glob("packages/*/README.md"))]
OTHERS = [REPO / "CONTRIBUTING.md", REPO / "SECURITY.md", REPO / "CHANGELOG.md", *sorted(REPO.glob("docs/*.md"))]
BLOCK = re.compile(r"^```(bash|python|)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ONLINE = "timm/"  # weights that only the Hub has
NEEDS_DATA = ("tsugiki verify ", "tsugiki search-errors ")
SHORTER = {  # else they take minutes
    "finetune": ["--max-steps", "4"],
    "search-errors": ["--rows", "3"],
    "stylize": ["--size", "32", "--steps", "2"],
}
STANDS_FOR = {"TRANSLATOR": "translate-ja-en-transformer"}
RNG = np.random.default_rng(0)


def commands(page: Path) -> list[tuple[str, str]]:
    """Language and text of each command or block, in order."""
    found = []
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            found.append((language, code))
        else:
            found += [("bash", line) for line in code.splitlines() if line and not line.startswith("#")]
    return found


def write_rows(path: str, names: list[str], rows: list[list[str]]) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])


def write_boxes(folder: Path) -> None:
    """Pictures of bright squares and dark discs with labels in COCO's format, 64 x 48 pixels."""
    folder.mkdir()
    images: list[dict] = []
    annotations: list[dict] = []
    for number in range(10):
        pixels = np.full((48, 64, 3), 120, np.uint8)
        for kind in (0, 1):
            left, top = 4 + 32 * kind + number, 5 + 2 * number
            pixels[top : top + 14, left : left + 14] = 250 - 240 * kind
            box = {"bbox": [left, top, 14, 14], "area": 196, "iscrowd": 0, "category_id": kind + 1}
            annotations.append({"id": len(annotations) + 1, "image_id": number, **box})
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 48})
    categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}]
    table = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(table))


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the READMEs name, and trainings of a few steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tsugiki, "finetune", partial(tsugiki.finetune, max_steps=4, progress=False))
    for name, shade in (("cat", 40), ("dog", 200)):
        for folder in ("photos", "my_digits"):
            Path(folder, name).mkdir(parents=True)
            for number in range(8):
                pixels = RNG.normal(shade, 20, (40, 48, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(Path(folder, name, f"{number}.jpg"))
    for name in ("photo.jpg", "photograph.jpg", "painting.jpg", "cat.png", "digit.png"):
        Image.fromarray(RNG.integers(0, 255, (48, 40, 3), dtype=np.uint8)).save(name)
    said = [["good and warm", "pos"], ["bad and cold", "neg"]]
    write_rows(
        "reviews.csv", ["text", "label"], [[f"{text} {number}", label] for number in range(8) for text, label in said]
    )
    write_rows("pairs.csv", ["ja", "en"], [["彼 は 走 っ た 。", "he ran ."], ["私 は 歩 い た 。", "i walked ."]])
    write_rows(
        "french.csv",
        ["en", "fr"],
        [["a man walks .", "un homme marche ."], ["two dogs run .", "deux chiens courent ."]],
    )
    write_rows(
        "stories.csv", ["text", "author"], [[f"猫は鳴いた。{number}", name] for number, name in enumerate("abab")]
    )
    write_boxes(Path("my_photos"))
    tagged = [{"tokens": [name, "ran"], "tags": ["B-PER", "O"]} for name in ("Ann", "Bob", "Eve", "Tom") * 2]
    Path("sentences.json").write_text(json.dumps(tagged), encoding="utf-8")
    Path("glove.6B.100d.txt").write_text("one " + "0.5 " * 99 + "0.5\ntwo " + "1.5 " * 99 + "1.5\n")


def run_command(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command as its README shows it; returns what it printed, nothing where it is not one of ours."""
    program, *words = shlex.split(line, comments=True)
    if program == "pip":
        assert words.pop(0) == "install"
        for word in words:
            folder, _, extra = word.removeprefix("./").partition("[")
            project = (REPO / folder / "pyproject.toml").read_text(encoding="utf-8")
            assert not extra or re.search(rf"^{extra.removesuffix(']')} = \[", project, re.MULTILINE)
        return ""
    if program == "python3":  # nox installs everything anew: the session is there, and what it runs is tested below
        session = re.search(r"&& \.venv/bin/nox -s (\w+)$", line)
        assert session is not None
        assert f"\ndef {session[1]}(session" in (REPO / "noxfile.py").read_text(encoding="utf-8")
        return ""
    assert program == "tsugiki", line
    if "mine" in words:
        made = "--output-dir" in words and words[words.index("--output-dir") + 1] == "mine"
        if made:
            shutil.rmtree("mine", ignore_errors=True)
        assert made or Path("mine").is_dir(), line
    words = [STANDS_FOR.get(word, word) for word in words]
    code = cli.main([*words, *SHORTER.get(words[0], [])])
    output = capsys.readouterr()
    if ONLINE in line:
        assert code not in (0, USAGE_ERROR), line
        assert "HF_HUB_OFFLINE forbids downloading it" in output.err
    else:
        assert code == 0, f"{line}\n{output.out}\n{output.err}"
    return output.out


def run_python(code: str, names: dict) -> None:
    if "output_dir=" in code:
        shutil.rmtree("mine", ignore_errors=True)
    if ONLINE in code:
        with pytest.raises(HubError):
            exec(code, names)
    else:
        exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO).parent))
def test_the_commands_of_a_readme_run(page, workshop, capsys):
    words = [f"word{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(200)]
    names: dict = {"texts": [" ".join(RNG.choice(words, 60)) for _ in range(40)], "labels": [0, 1] * 20}
    shown = commands(page)
    assert shown, f"{page} shows nothing that could run"
    for language, code in shown:
        if language == "python":
            run_python(code, names)
        elif not code.startswith(NEEDS_DATA):
            run_command(code, capsys)


@pytest.mark.data("ylecun/mnist", "tsugiki/small_parallel_enja")
@pytest.mark.parametrize(
    "line",
    [line for page in PAGES for _, line in commands(page) if line.startswith(NEEDS_DATA)],
    ids=lambda line: line.partition("#")[0].strip(),
)
def test_the_commands_that_measure_run(line, workshop, capsys):
    assert re.search(r"\d", run_command(line, capsys)), "it prints no figure"


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(REPO)))
def test_commands_within_the_text_take_their_options(page, capsys):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for line in re.findall(r"`tsugiki ([a-z][^`]*)`", text.replace("\n", " ")):
        name, *words = line.split()
        assert name in {*COMMANDS, *registry().commands()}, line
        assert cli.main([name, "--help"]) == 0
        printed = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", printed), f"{line}: `tsugiki {name}` has no {option}"


def test_the_quickstart_runs(workshop, monkeypatch, capsys):
    """As `nox -s quickstart` calls it, with one draw of one size."""
    monkeypatch.setattr(sys, "argv", ["quickstart.py"])
    main = runpy.run_path(str(REPO / "examples" / "quickstart.py"))["main"]
    main.__globals__.update(EXAMPLES_PER_CLASS=(1,), SEEDS=(0,))
    main()
    assert "Now a model to keep" in capsys.readouterr().out
    written = {str(path) for path in Path("quickstart").rglob("*")}
    assert written >= {"quickstart/learning_curves.png", "quickstart/model/README.md", "quickstart/results.json"}
