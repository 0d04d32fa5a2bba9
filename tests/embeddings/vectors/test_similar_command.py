from __future__ import annotations

import json

import numpy as np
import pytest
from tsugiki.cli.dispatch import main
from tsugiki_embeddings.vectors.word_vectors import WordVectors

WORDS = ["man", "woman", "king", "queen", "apple"]
MATRIX = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1.1, 1, 1], [-0.2, -1, -1]], np.float32)


@pytest.fixture
def vectors(tmp_path) -> WordVectors:
    vectors = WordVectors(WORDS, MATRIX)
    vectors.save(tmp_path / "tiny")
    vectors.to_file(tmp_path / "tiny.txt")
    return vectors


@pytest.mark.parametrize("name", ["tiny", "tiny.txt"])
def test_neighbours_of_each_word_as_json(tmp_path, capsys, vectors, name):
    assert main(["similar", str(tmp_path / name), "king", "Apple", "--top-k", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [answer["word"] for answer in printed] == ["king", "apple"]
    for answer in printed:
        found = [(entry["label"], entry["score"]) for entry in answer["neighbors"]]
        assert found == [(word, pytest.approx(score)) for word, score in vectors.most_similar(answer["word"], top_k=2)]


def test_neighbours_as_a_table(tmp_path, capsys, vectors):
    assert main(["similar", str(tmp_path / "tiny"), "king", "man"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "king"
    assert lines[1].split() == ["word", "cosine"]
    assert lines[3].split()[0] == vectors.most_similar("king")[0][0]
    assert "man" in lines


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul", "euclid"])
def test_analogy_as_json(tmp_path, capsys, vectors, method):
    assert main(["analogy", str(tmp_path / "tiny"), "man", "Woman", "king", "--method", method, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["a"], printed["b"], printed["c"], printed["method"]) == ("man", "woman", "king", method)
    assert [entry["label"] for entry in printed["answers"]] == ["queen", "apple"]


def test_analogy_as_a_table(tmp_path, capsys, vectors):
    assert main(["analogy", str(tmp_path / "tiny"), "man", "woman", "king", "--vocabulary", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("man : woman = king :")
    assert [line.split()[0] for line in lines[2:]] == ["queen"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["similar", "{}", "kingg"], "does not have the word 'kingg'. Did you mean 'king'?"),
        (["analogy", "{}", "man", "woman", "kingg"], "Did you mean 'king'?"),
        (["analogy", "{}", "man", "woman", "king", "--method", "cos"], "unknown method 'cos', only 3cosadd"),
        (["similar", "/nowhere", "king"], "is not a folder"),
    ],
)
def test_errors_are_one_line(tmp_path, capsys, vectors, command, message):
    assert main([word.format(tmp_path / "tiny") for word in command]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_an_unknown_word_loses_no_answer_to_another(tmp_path, capsys, vectors):
    assert main(["similar", str(tmp_path / "tiny"), "kingg", "king", "--json"]) == 1
    captured = capsys.readouterr()
    unknown, known = json.loads(captured.out)
    assert unknown["word"] == "kingg" and "Did you mean 'king'?" in unknown["error"]
    assert known["neighbors"][0]["label"] == vectors.most_similar("king")[0][0]
    assert captured.err == f"tsugiki: {unknown['error']}\n"


def test_words_come_from_files_and_columns_of_tables_as_well(tmp_path, capsys, vectors):
    (tmp_path / "terms.txt").write_text("king\n\nqueen\n")
    (tmp_path / "terms.csv").write_text("number,term\n1,man\n2,\n3,zebra\n")
    names = [str(tmp_path / name) for name in ("tiny", "terms.txt", "terms.csv", "nowhere.txt")]
    assert main(["similar", *names, "apple", "-k", "1", "--columns", "word=term", "--json"]) == 1
    captured = capsys.readouterr()
    answers = json.loads(captured.out)
    places = [f"{names[2]}:2", "zebra", names[3], "apple"]
    assert [answer["word"] for answer in answers] == ["king", "queen", "man", *places]
    assert ["error" in answer for answer in answers] == [False] * 3 + [True] * 3 + [False]
    assert answers[0]["neighbors"][0]["label"] == vectors.most_similar("king")[0][0]
    first, second, third = captured.err.splitlines()
    assert (
        first == f"tsugiki: {places[0]}: the row is empty" and third == f"tsugiki: no such file or folder: {names[3]}"
    )
    assert "'zebra'" in second


def test_a_table_without_the_column_is_one_error(tmp_path, capsys, vectors):
    (tmp_path / "terms.csv").write_text("number,term\n1,man\n")
    assert main(["similar", str(tmp_path / "tiny"), str(tmp_path / "terms.csv"), "--columns", "word=name"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "term" in captured.err
