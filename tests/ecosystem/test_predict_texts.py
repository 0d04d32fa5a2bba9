"""`tsugiki predict` of texts: lines, tables, and rows that cannot be answered."""

from __future__ import annotations

import csv
import json

import datasets
import pytest
from tsugiki import cli


def run(capsys, *words):
    code = cli.main(["predict", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


ROWS = {"text": ["A warm, funny film", "Dull.\nVery dull.", None], "label": ["pos", "neg", "pos"]}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_is_read_as_one_and_its_label_is_no_text(suffix, tmp_path, capsys):
    file, rows = tmp_path / f"d.{suffix}", datasets.Dataset.from_dict(ROWS)
    match suffix:
        case "csv":
            rows.to_csv(file)
        case "tsv":
            rows.to_csv(file, sep="\t")
        case "jsonl":
            rows.to_json(file)
        case "parquet":
            rows.to_parquet(file)
    capsys.readouterr()  # the progress of writing
    code, out, err = run(capsys, "sentiment-mean", file, "--json", "-k", 1)
    answers = json.loads(out)
    assert [answer["input"] for answer in answers] == [f"{file}:{row}" for row in (1, 2, 3)]
    lines = tmp_path / "d.txt"
    lines.write_text("A warm, funny film\nDull. Very dull.\n")
    expected = json.loads(run(capsys, "sentiment-mean", lines, "--json", "-k", 1)[1])
    for answer, other in zip(answers, expected, strict=False):
        assert answer["predictions"][0]["label"] == other["predictions"][0]["label"]
        assert answer["predictions"][0]["score"] == pytest.approx(other["predictions"][0]["score"], abs=1e-5)
    assert answers[2]["error"] == f"{file}:3: the row is empty"
    assert (code, err) == (1, f"tsugiki: {file}:3: the row is empty\n")


def test_the_column_of_a_table_can_be_named(tmp_path, capsys):
    file = tmp_path / "d.csv"
    file.write_text("title,body\ngood,a dull film\n")
    code, _, err = run(capsys, "sentiment-mean", file)
    assert code == 1 and "several columns of texts (strings): title, body" in err
    code, out, _ = run(capsys, "sentiment-mean", file, "--columns", "text=body", "-k", 1)
    assert code == 0 and out.startswith("neg")


@pytest.mark.parametrize("model", ["sentiment-mean", "sentiment-lstm", "rae-reviews"])
def test_a_text_without_a_word_is_named_and_the_others_are_answered(model, tmp_path, capsys):
    file = tmp_path / "t.txt"
    file.write_text("A good film.\n10/10\n\U0001f600\nA bad film.\n", encoding="utf-8")
    code, out, err = run(capsys, model, file, "--json", "-k", 1)
    answers = json.loads(out)
    why = "there is no word in the text that the model reads"
    assert [answer.get("error") for answer in answers] == [None, f"{file}:2: {why}", f"{file}:3: {why}", None]
    assert code == 1 and err.splitlines() == [f"tsugiki: {file}:{line}: {why}" for line in (2, 3)]
    code, out, err = run(capsys, model, "10/10")
    assert (code, out, err) == (1, "", f"tsugiki: 10/10: {why}\n")


def test_a_csv_of_answers_leaves_no_row_out(tmp_path, capsys):
    table, found = tmp_path / "d.csv", tmp_path / "answers.csv"
    table.write_text('text\nA good film.\n10/10\n""\nA bad film.\n')
    code, out, err = run(capsys, "sentiment-mean", table, "--csv", found, "-k", 2)
    rows = list(csv.DictReader(found.read_text().splitlines()))
    assert (code, out) == (1, "")
    assert [row["input"].rpartition(":")[2] for row in rows] == ["1", "1", "2", "3", "4", "4"]
    assert [row["rank"] for row in rows] == ["1", "2", "", "", "1", "2"]
    assert [f"tsugiki: {row['error']}" for row in rows if row["error"]] == err.splitlines()
    assert not rows[2]["label"] and not rows[2]["score"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_missing_cells_are_counted_alike_in_every_table(suffix, tmp_path, capsys):
    rows = [("A warm film", "pos"), ("None", "neg"), (None, "neg"), ("Null", "pos"), ("NA", None), (None, "pos")]
    texts = {"text": [text for text, _ in rows], "label": [label or "pos" for _, label in rows]}
    labels = {"text": [text or "None" for text, _ in rows], "label": [label for _, label in rows]}
    for column, table in (("text", texts), ("label", labels)):
        file = tmp_path / f"{column}.{suffix}"
        written = datasets.Dataset.from_dict(table)
        {"csv": written.to_csv, "jsonl": written.to_json, "parquet": written.to_parquet}[suffix](file)
        capsys.readouterr()
        count, first = ("2 of 6 rows have", 2) if column == "text" else ("1 of 6 rows has", 4)
        for command in (["evaluate", "sentiment-mean"], ["finetune", "sentiment-mean", "--output-dir", tmp_path / "o"]):
            code = cli.main([*map(str, command[:2]), str(file), *map(str, command[2:])])
            said = capsys.readouterr().err.splitlines()[-1]
            assert code == 1 and f"{count} no {column} in column '{column}', the first is row {first}; remove" in said
    code, out, err = run(capsys, "sentiment-mean", tmp_path / f"text.{suffix}", "--json", "-k", 1)
    assert ["error" in answer for answer in json.loads(out)] == [False, False, True, False, False, True]
    assert code == 1 and len(err.splitlines()) == 2
