from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset
from gensim.test.utils import datapath
from PIL import Image
from scipy.stats import spearmanr
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki.text_table import token_stream
from tsugiki_embeddings.vectors.word_vectors import WordVectors
from tsugiki_embeddings.word_tasks.intrinsic_evaluation import evaluate_vectors, print_evaluation
from tsugiki_embeddings.word_tasks.word_similarity import WordSimilarity, spearman

logging.getLogger("gensim").setLevel(logging.WARNING)

WORDS = ["cat", "dog", "cup", "mug", "tea"]
PAIRS = {
    "word1": ["cat", "Cup", "tea", "cat", "dog"],
    "word2": ["dog", "mug", "cup", "unheard", "TEA"],
    "score": [8.0, 9.0, 5, 1.0, 0.5],
}


def some_vectors() -> WordVectors:
    return WordVectors(WORDS, np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))


def predictions_of(vectors: WordVectors, data: Dataset) -> Predictions:
    model, tokenizer = vectors.to_model()
    task = WordSimilarity()
    return predict_table(model, task.table(data, tokenizer), task=task, batch_size=2)


@pytest.mark.parametrize("ties", [False, True])
def test_correlation_is_that_of_scipy(ties):
    first, second = np.random.default_rng(0).normal(size=(2, 60))
    if ties:
        first, second = np.round(first), np.round(second)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert spearman(first, np.ones(60)) == 0


def test_known_pairs_are_scored_and_the_others_are_covered_by_their_share():
    vectors = some_vectors()
    predictions = predictions_of(vectors, Dataset.from_dict(PAIRS))
    cosines = vectors.similarity([("cat", "dog"), ("cup", "mug"), ("tea", "cup"), ("dog", "tea")])
    np.testing.assert_allclose(predictions.outputs[[0, 1, 2, 4], 0], cosines, atol=1e-6)
    assert np.isnan(predictions.outputs[3, 0])
    metrics = WordSimilarity().metrics(predictions)
    assert metrics["spearman"].value == pytest.approx(spearmanr(cosines, [8, 9, 5, 0.5]).statistic)
    assert metrics["spearman"].n == 4
    assert metrics["spearman"].low <= metrics["spearman"].value <= metrics["spearman"].high
    assert metrics["coverage"].value == 0.8
    scores = WordSimilarity().row_scores(predictions)
    np.testing.assert_allclose(scores, [*cosines[:3], 0, cosines[3]], atol=1e-6)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_figures_are_those_of_gensim_on_wordsim():
    file = Path(datapath("wordsim353.tsv"))
    if not file.exists():
        pytest.skip("this gensim comes without its test data")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    words = sorted({word.lower() for row in rows for word in row[:2]})[::2]
    vectors = WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 10)).astype(np.float32))
    _, expected, unknown = vectors.to_gensim().evaluate_word_pairs(str(file))
    data = Dataset.from_dict({name: [row[i] for row in rows] for i, name in enumerate(("word1", "word2"))})
    data = data.add_column("score", [float(row[2]) for row in rows])
    metrics = WordSimilarity().metrics(predictions_of(vectors, data))
    assert metrics["spearman"].value == pytest.approx(expected.statistic, abs=1e-6)
    assert metrics["coverage"].value == pytest.approx(1 - unknown / 100)


def test_a_snapshot_is_evaluated_by_name_and_fasttext_too(tmp_path):
    vectors = some_vectors()
    vectors.save(tmp_path / "tiny")
    metrics = tsugiki.evaluate(tmp_path / "tiny", Dataset.from_dict(PAIRS))
    assert metrics["coverage"].value == 0.8
    model = tsugiki.create_model("fasttext", "base", vocab_size=7, hidden_size=4, num_buckets=10)
    with torch.no_grad():
        model.embeddings.weight[2:] = torch.from_numpy(vectors.matrix)
    _, tokenizer = vectors.to_model()
    found = tsugiki.evaluate(model, Dataset.from_dict(PAIRS), task="word-similarity", processor=tokenizer)
    assert found["spearman"].value == metrics["spearman"].value


def test_half_precision_is_measured():
    model, tokenizer = some_vectors().half().to_model()
    found = tsugiki.evaluate(model, Dataset.from_dict(PAIRS), processor=tokenizer)
    assert found["coverage"].n == 5


def test_a_corpus_becomes_a_table_of_texts():
    _, tokenizer = some_vectors().to_model()
    data = Dataset.from_dict({"text": ["The cat, the dog", "", "tea!"], "author": ["a", "b", "c"]})
    table = WordSimilarity().table(data, tokenizer)
    tokens, offsets = token_stream(table)
    assert tokens.tolist() == [1, 2, 1, 3, 6]
    assert offsets.tolist() == [0, 4, 4, 5]
    with pytest.raises(DataError, match="this data holds texts"):
        tsugiki.evaluate(some_vectors().to_model()[0], table)


def test_columns_are_found_by_name_or_named():
    data = Dataset.from_dict({"left": ["cat"], "word2": ["dog"], "score": [1.0]})
    found = WordSimilarity().columns(data, {"word1": "left"})
    assert found == {"word1": "left", "word2": "word2", "score": "score"}
    with pytest.raises(DataError, match="no column 'word1', which word-similarity reads as its word1"):
        WordSimilarity().columns(data)
    with pytest.raises(DataError, match=r"no role 'word3'.*Did you mean"):
        WordSimilarity().columns(data, {"word1": "left", "word3": "x"})
    corpus = Dataset.from_dict({"body": ["a"], "title": ["b"]})
    assert WordSimilarity().columns(corpus, {"text": "body"}) == {"text": "body"}
    with pytest.raises(DataError, match=r"neither pairs .* nor one column of texts"):
        WordSimilarity().columns(corpus)
    with pytest.raises(DataError, match="a corpus has the role text alone"):
        WordSimilarity().columns(corpus, {"word1": "a"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"word1": [1], "word2": ["a"], "score": [1.0]}, "column 'word1' holds int64, not words"),
        (
            {"word1": ["a", None], "word2": ["b", "c"], "score": [1.0, 2.0]},
            "1 of 2 rows has no word in column 'word1', the first is row 1",
        ),
        ({"word1": ["a"], "word2": ["b"], "score": ["much"]}, "row 0 has 'much' in column 'score'"),
        ({"word1": ["a"], "word2": ["b"], "score": [float("nan")]}, "row 0 has nan in column 'score'"),
        ({"word1": ["a", "cat"], "word2": ["b", "dog"], "score": [1.0, 2.0]}, "both words of 1 of the 2 pairs"),
    ],
)
def test_data_that_cannot_be_measured_is_one_error(data, message):
    with pytest.raises(DataError, match=message):
        WordSimilarity().metrics(predictions_of(some_vectors(), Dataset.from_dict(data)))


def test_no_rows_are_refused():
    empty = Dataset.from_dict(PAIRS).select([])
    with pytest.raises(DataError, match="no rows"):
        predictions_of(some_vectors(), empty)


def test_prediction_answers_a_word_with_its_neighbours_and_a_pair_with_its_similarity():
    vectors = some_vectors()
    model, tokenizer = vectors.to_model()
    one, two = WordSimilarity().predict(model, tokenizer, ["Cat", ("cup", "mug")], top_k=2)
    assert [(entry["label"], entry["score"]) for entry in one] == vectors.most_similar("cat", top_k=2)
    assert two == [{"label": "mug", "score": pytest.approx(float(vectors.similarity([("cup", "mug")])[0]))}]
    assert WordSimilarity().predict(model, tokenizer, []) == []
    [bad], [unknown], again = WordSimilarity().predict(model, tokenizer, [3, "dragon", "Cat"], top_k=2)
    assert "takes a word, or two words" in bad["error"] and "does not have the word 'dragon'" in unknown["error"]
    assert again == one
    with pytest.raises(OptionError, match="top_k"):
        WordSimilarity().predict(model, tokenizer, ["cat"], top_k=0)


def test_picture_shows_the_known_pairs(tmp_path):
    predictions = predictions_of(some_vectors(), Dataset.from_dict(PAIRS))
    table = WordSimilarity().table(Dataset.from_dict(PAIRS), some_vectors().to_model()[1])
    picture = WordSimilarity().figures(predictions, table, tmp_path)[0]
    assert "4 pairs, of 5" in picture.caption
    with Image.open(tmp_path / picture.file) as drawn:
        assert drawn.format == "PNG"


def test_all_sets_are_measured_and_printed_in_one_call(tmp_path, monkeypatch, capsys):
    sets = {
        "wordsim353": PAIRS,
        "google_analogies": {
            name: [word] for name, word in zip(["word1", "word2", "word3", "word4"], WORDS, strict=False)
        },
    }
    for name, columns in sets.items():
        folder = tmp_path / "tsugiki" / name / "data"
        folder.mkdir(parents=True)
        Dataset.from_dict(columns).to_parquet(folder / "validation-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path))
    found = print_evaluation(some_vectors(), "tiny", ["wordsim353", "analogies"])
    assert list(found) == ["spearman_wordsim353", "coverage_wordsim353", "analogy_accuracy", "analogy_coverage"]
    printed = capsys.readouterr().out
    assert "tiny" in printed
    assert "80.0%" in printed
    with pytest.raises(OptionError, match="Did you mean 'men'"):
        evaluate_vectors(some_vectors(), ["menn"])
