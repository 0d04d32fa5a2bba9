from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import tsugiki
from datasets import ClassLabel, Dataset
from PIL import Image
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki_embeddings.vectors.word_vectors import WordVectors
from tsugiki_embeddings.word_tasks import word_analogy
from tsugiki_embeddings.word_tasks.word_analogy import WordAnalogy

logging.getLogger("gensim").setLevel(logging.WARNING)

SECTIONS = ["capitals", "plurals"]


def words_in_pairs(pairs: int = 30, noise: float = 0.8, seed: int = 0) -> WordVectors:
    """Two relations: w0x -> w0y among the first half of the pairs, w1x -> w1y among the others; some hold poorly."""
    generator = np.random.default_rng(seed)
    relations = generator.normal(size=(2, 10))
    words, rows = [], []
    for pair in range(pairs):
        kind = pair % 2
        start = generator.normal(size=10)
        words += [f"p{pair}k{kind}x", f"p{pair}k{kind}y"]
        rows += [start, start + relations[kind] + noise * generator.normal(size=10)]
    return WordVectors(words, np.array(rows, np.float32))


def questions(pairs: int = 32) -> dict[str, list]:
    """All questions of each relation; the last pairs are not in the vocabulary."""
    found: dict[str, list] = {"category": [], "word1": [], "word2": [], "word3": [], "word4": []}
    for kind in (0, 1):
        names = [f"P{pair}K{kind}" for pair in range(kind, pairs, 2)]
        for first in names:
            for second in names:
                if first != second:
                    for role, word in zip(
                        list(found), [kind, f"{first}x", f"{first}Y", f"{second}x", f"{second}y"], strict=True
                    ):
                        found[role].append(word)
    return found


def as_dataset(columns: dict[str, list]) -> Dataset:
    return Dataset.from_dict(columns).cast_column("category", ClassLabel(names=SECTIONS))


@pytest.mark.parametrize("most", [30_000, 40])
def test_figures_are_those_of_gensim(tmp_path, monkeypatch, most):
    monkeypatch.setattr(word_analogy, "FREQUENT", most)
    vectors, asked = words_in_pairs(), questions()
    lines = []
    for kind, name in enumerate(SECTIONS):
        lines.append(f": {name}")
        lines += [" ".join(row[1:]) for row in zip(*asked.values(), strict=True) if row[0] == kind]
    (tmp_path / "questions.txt").write_text("\n".join(lines), encoding="utf-8")
    share, sections = vectors.to_gensim().evaluate_word_analogies(str(tmp_path / "questions.txt"), restrict_vocab=most)

    model, tokenizer = vectors.to_model()
    task = WordAnalogy()
    table = task.table(as_dataset(asked), tokenizer)
    predictions = predict_table(model, table, task=task, batch_size=64)
    metrics = task.metrics(predictions)
    assert 0.1 < share < 0.9
    assert metrics["analogy_accuracy"].value == pytest.approx(share)
    assert metrics["analogy_accuracy"].n == sum(len(sections[-1][kind]) for kind in ("correct", "incorrect"))
    assert metrics["analogy_coverage"].value == pytest.approx(metrics["analogy_accuracy"].n / len(table))
    right = task.correct(predictions)
    assert task.row_scores(predictions).sum() == len(sections[-1]["correct"])
    for kind, section in enumerate(sections[:-1]):
        assert right[table.columns["category"].numpy() == kind].sum() == len(section["correct"])


def test_answers_are_those_of_the_vectors():
    vectors, asked = words_in_pairs(), questions(30)
    model, tokenizer = vectors.to_model()
    task = WordAnalogy()
    found = predict_table(model, task.table(as_dataset(asked), tokenizer), task=task).outputs[:, 0].astype(int)
    lowered = [[word.lower() for word in asked[role]] for role in ("word1", "word2", "word3")]
    expected = vectors.analogy(*lowered, top_k=1)
    assert [vectors.words[number - 2] for number in found] == [answer[0][0] for answer in expected]


def test_questions_with_unknown_words_are_neither_right_nor_wrong():
    vectors = words_in_pairs()
    known = ["p0k0x", "p0k0y", "p2k0x", "p2k0y"]
    rows = [known, ["nobody", *known[1:]], [*known[:3], "nobody"]]
    columns = {f"word{place + 1}": [row[place] for row in rows] for place in range(4)}
    model, tokenizer = vectors.to_model()
    task = WordAnalogy()
    table = task.table(Dataset.from_dict(columns), tokenizer)
    predictions = predict_table(model, table, task=task)
    assert predictions.labels[1:].tolist() == [-1, -1]
    assert np.isnan(predictions.outputs[1, 0])
    assert task.metrics(predictions)["analogy_accuracy"].n == 1
    assert task.metrics(predictions)["analogy_coverage"].value == pytest.approx(1 / 3)
    assert not task.correct(predictions)[1:].any()
    with pytest.raises(DataError, match="none of the 2 questions"):
        task.metrics(predict_table(model, table.select([1, 2]), task=task))


def test_a_snapshot_is_evaluated_by_name_and_fasttext_too(tmp_path):
    vectors = words_in_pairs()
    vectors.save(tmp_path / "tiny")
    data = as_dataset(questions())
    metrics = tsugiki.evaluate(tmp_path / "tiny", data, task="word-analogy")
    model = tsugiki.create_model("fasttext", "base", vocab_size=62, hidden_size=10, num_buckets=10)
    with torch.no_grad():
        model.embeddings.weight[2:] = torch.from_numpy(vectors.matrix)
    found = tsugiki.evaluate(model, data, task="word-analogy", processor=vectors.to_model()[1])
    assert found == metrics


def test_a_table_of_some_rows_gives_their_answers():
    vectors = words_in_pairs()
    model, tokenizer = vectors.to_model()
    task, data = WordAnalogy(), as_dataset(questions())
    whole = task.correct(predict_table(model, task.table(data, tokenizer), task=task))
    rows = np.arange(3, len(data), 7)
    some = task.correct(predict_table(model, task.table(data.select(rows), tokenizer), task=task))
    np.testing.assert_array_equal(some, whole[rows])


@pytest.mark.parametrize("kind", ["ClassLabel", "strings", "none"])
def test_picture_has_a_bar_for_each_category(tmp_path, kind):
    vectors, asked = words_in_pairs(), questions()
    if kind == "none":
        asked.pop("category")
    if kind == "strings":
        asked["category"] = [SECTIONS[number] for number in asked["category"]]
    data = as_dataset(asked) if kind == "ClassLabel" else Dataset.from_dict(asked)
    model, tokenizer = vectors.to_model()
    task = WordAnalogy()
    table = task.table(data, tokenizer)
    assert table.transform.categories == (["all questions"] if kind == "none" else SECTIONS)
    picture = task.figures(predict_table(model, table, task=task), table, tmp_path)[0]
    with Image.open(tmp_path / picture.file) as drawn:
        assert drawn.format == "PNG"


def test_prediction_completes_analogies():
    vectors = words_in_pairs()
    model, tokenizer = vectors.to_model()
    found = WordAnalogy().predict(model, tokenizer, ["P0k0x p0k0y p2k0x", ("p1k1x", "p1k1y", "p3k1x")], top_k=3)
    expected = vectors.analogy("p0k0x", "p0k0y", "p2k0x", top_k=3)
    assert [entry["label"] for entry in found[0]] == [word for word, _ in expected]
    assert len(found[1]) == 3
    assert WordAnalogy().predict(model, tokenizer, []) == []
    asked = ["p0k0x p0k0y", "P0k0x p0k0y p2k0x", "nobody p0k0y p2k0x"]
    [few], good, [unknown] = WordAnalogy().predict(model, tokenizer, asked, top_k=3)
    assert "asked with three words" in few["error"] and "does not have the word 'nobody'" in unknown["error"]
    assert [entry["label"] for entry in good] == [word for word, _ in expected]
    with pytest.raises(OptionError, match="top_k"):
        WordAnalogy().predict(model, tokenizer, ["p0k0x p0k0y p2k0x"], top_k=0)


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="no column 'word4'"):
        WordAnalogy().columns(Dataset.from_dict({"word1": ["a"], "word2": ["a"], "word3": ["a"]}))
    assert "category" not in WordAnalogy().columns(Dataset.from_dict({f"word{n}": ["a"] for n in range(1, 5)}))
    with pytest.raises(DataError, match="no column 'kind', which word-analogy reads as its category"):
        WordAnalogy().columns(Dataset.from_dict({f"word{n}": ["a"] for n in range(1, 5)}), {"category": "kind"})
