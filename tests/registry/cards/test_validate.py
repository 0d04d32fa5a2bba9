"""Validation: whatever digit of a card was changed by hand, it is found, and the part it stands in is named."""

from __future__ import annotations

import json
import re

import pytest
from tsugiki.cards.front_matter import split_card
from tsugiki.cards.validate import validate_card

from ..card_snapshots import write_snapshot, write_snapshot_with_card


@pytest.fixture
def folder(tmp_path):
    return write_snapshot_with_card(tmp_path / "tiny-net")


def other_digit(text, position):
    return f"{text[:position]}{(int(text[position]) + 1) % 10}{text[position + 1 :]}"


def digits(text, start=0, end=None):
    return [match.start() for match in re.finditer(r"\d", text) if start <= match.start() < (end or len(text))]


def blamed(problems):
    """The places that messages start with, where a message blames one."""
    return {problem.partition(":")[0] for problem in problems if problem.startswith(("front matter:", "text:"))}


def test_complete_card_has_no_problem(folder):
    assert validate_card(folder) == []


def test_every_digit_of_the_front_matter_counts(folder):
    path = folder / "README.md"
    whole = path.read_text()
    places = digits(whole, 0, whole.index("---\n\n#"))
    assert len(places) > 15
    for place in places:
        path.write_text(other_digit(whole, place))
        problems = validate_card(folder)
        assert problems, whole[place - 20 : place + 5]
        assert problems[0].startswith("front matter")
        assert blamed(problems) == {"front matter"}


def test_every_digit_of_the_text_counts(folder):
    path = folder / "README.md"
    whole = path.read_text()
    places = digits(whole, whole.index("---\n\n#"))
    assert len(places) > 100
    for place in places:
        path.write_text(other_digit(whole, place))
        problems = validate_card(folder)
        assert problems, whole[place - 20 : place + 5]
        assert problems[0].startswith("text: ")
        assert blamed(problems) == {"text"}


def test_every_digit_of_the_provenance_counts(folder):
    path = folder / "provenance.json"
    whole = path.read_text()
    places = digits(whole)
    assert len(places) > 300
    for place in places:
        path.write_text(other_digit(whole, place))
        problems = validate_card(folder)
        assert problems, whole[place - 20 : place + 5]
        assert "provenance.json" in problems[0]
        assert blamed(problems) == set()


def test_the_changed_place_is_shown(folder):
    path = folder / "README.md"
    whole = path.read_text()
    path.write_text(whole.replace("value: 0.9923", "value: 0.9933"))
    assert any(
        "model-index[0].results[0].metrics[0].value reads 0.9933; by provenance.json it is 0.9923" in problem
        for problem in validate_card(folder)
    )
    path.write_text(whole.replace("| 99.23 % |", "| 99.33 % |"))
    assert any("line" in problem and "| 99.33 % |" in problem for problem in validate_card(folder))


def test_changed_provenance_names_the_field_and_what_the_card_has(folder):
    path = folder / "provenance.json"
    path.write_text(path.read_text().replace('"value": 0.9923', '"value": 0.9933'))
    problems = validate_card(folder)
    assert problems[0] == "provenance.json: 'evaluations' was changed after the card was rendered"
    assert "has 0.9923 and would now be 0.9933" in problems[1]


def test_a_digit_that_a_float_would_lose_counts(folder):
    path = folder / "provenance.json"
    path.write_text(path.read_text().replace("123.4,", "123.40000000000000001,"))
    assert validate_card(folder)[0].startswith("provenance.json: 'seconds'")


def test_two_changed_parts_are_both_named(folder):
    for name, old, new in (
        ("provenance.json", '"seconds": 123.4', '"seconds": 23.4'),
        ("README.md", "value: 0.9923", "value: 0.9933"),
    ):
        path = folder / name
        path.write_text(path.read_text().replace(old, new))
    problems = validate_card(folder)
    assert any(problem.startswith("provenance.json: 'seconds'") for problem in problems)
    assert any(problem.startswith("front matter: ") for problem in problems)
    assert not any(problem.startswith("text: ") for problem in problems)


def test_card_without_a_seal_is_still_compared(folder):
    path = folder / "provenance.json"
    record = json.loads(path.read_text())
    del record["card"]
    record["evaluations"][0]["metrics"]["accuracy"]["value"] = 0.9911
    path.write_text(json.dumps(record))
    problems = validate_card(folder)
    assert "carries no seal" in problems[0]
    assert any(
        "front matter and provenance.json disagree on org/digits test accuracy" in problem for problem in problems
    )
    assert any("text and provenance.json disagree" in problem for problem in problems)


@pytest.mark.parametrize("name", ["README.md", "config.json", "model.safetensors", "provenance.json"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"{name} is missing" in validate_card(folder)


def test_missing_picture_is_named(folder):
    (folder / "confusion_matrix.png").unlink()
    assert "picture confusion_matrix.png is missing" in validate_card(folder)


def test_other_weights_are_found(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b"really", b"REALLY"))
    assert any("sha256" in problem for problem in validate_card(folder))


def test_pickles_do_not_belong_in_a_snapshot(folder):
    (folder / "training_args.bin").write_bytes(b"\x80")
    assert any("training_args.bin does not belong" in problem for problem in validate_card(folder))


def test_uncarded_snapshot_and_no_folder(tmp_path):
    assert validate_card(write_snapshot(tmp_path / "bare")) == ["README.md is missing"]
    assert validate_card(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'} is not a folder"]


@pytest.mark.parametrize("readme", ["no front matter", "---\n: [\n---\n", "---\n- a list\n---\n"])
def test_unreadable_front_matter_is_one_problem(folder, readme):
    (folder / "README.md").write_text(readme)
    (problem,) = validate_card(folder)
    assert "front matter" in problem


def test_provenance_that_is_no_json_is_one_problem(folder):
    (folder / "provenance.json").write_text("{")
    (problem,) = validate_card(folder)
    assert "provenance.json: not JSON" in problem


def test_front_matter_is_split_from_the_text(folder):
    front_matter, text = split_card((folder / "README.md").read_text())
    assert "library_name: tsugiki" in front_matter
    assert text.startswith("\n# tiny-net\n")
