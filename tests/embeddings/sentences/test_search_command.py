from __future__ import annotations

import json

import pytest
from tsugiki.cli import main

LINES = ["the cat sat on the mat", "shares fell on monday", "a kitten slept on a rug", "parliament passed a law"]


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("\n\n".join(LINES), encoding="utf-8")
    return path


def search(*words):
    return main(["search", "all-minilm-l6-v2", *map(str, words)])


def test_lines_come_by_what_they_mean(notes, capsys):
    assert search("a young pet on a carpet", notes, "-k", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [line["text"] for line in found] == [LINES[2], LINES[0]]
    assert found[0]["place"] == f"{notes}:5"
    assert found[0]["score"] > found[1]["score"]


def test_a_table_is_read_by_its_column(tmp_path, capsys):
    table = tmp_path / "notes.csv"
    table.write_text("id,message\n" + "".join(f"{row},{text}\n" for row, text in enumerate(LINES)), encoding="utf-8")
    assert search("the stock market", table, "--columns", "text=message", "-k", "1") == 0
    assert "shares fell on monday" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((" ", "notes.txt"), "QUERY is empty"),
        (("pets", "nowhere.txt"), "no such file"),
        (("pets", "empty.txt"), "no line of text"),
    ],
)
def test_what_cannot_be_searched_has_one_error(tmp_path, monkeypatch, capsys, words, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n", encoding="utf-8")
    assert search(*words) != 0
    output = capsys.readouterr()
    assert why in output.err
    assert output.out == ""


def test_a_model_of_words_answers_by_the_mean_of_its_words(notes, capsys):
    assert main(["search", "word2vec-novels", "cat", str(notes), "-k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["text"] == LINES[0]
