from __future__ import annotations

import json

import numpy as np
import pytest
from datasets import Dataset
from tsugiki.cli.dispatch import main
from tsugiki.errors import DataError, OptionError
from tsugiki.snapshots.provenance import Provenance
from tsugiki.snapshots.resolve import resolve
from tsugiki_embeddings.maps.corpus_comparison import CORPORA, TrainingSettings, compare, corpus_vectors, train_on
from tsugiki_embeddings.vectors.word_vectors import WordVectors

SETTINGS = TrainingSettings(dimension=8, epochs=2, min_count=2)
SHIP = "The pilot took the ship out of the harbour and over the sea."
PLANE = "The pilot took the plane off the ground, into the clouds!"


def write_corpus(folder, text: str) -> str:
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(json.dumps({"text": text}) for _ in range(12)), encoding="utf-8")
    return str(folder)


def test_neighbors_are_the_nearest_by_cosine():
    generator = np.random.default_rng(0)
    words = [f"w{number}" for number in range(20)]
    corpora = {name: WordVectors(words, generator.normal(size=(20, 5)).astype(np.float32)) for name in "ab"}
    table = compare(["w3"], corpora, top_k=4)
    for entry in table["w3"]:
        matrix = corpora[entry.corpus].matrix.astype(np.float64)
        cosines = matrix @ matrix[3] / np.linalg.norm(matrix, axis=1) / np.linalg.norm(matrix[3])
        expected = [words[row] for row in np.argsort(-cosines) if row != 3][:4]
        assert [word for word, _ in entry.words] == expected
        assert [cosine for _, cosine in entry.words] == pytest.approx(sorted(np.delete(cosines, 3))[::-1][:4], abs=1e-5)


def test_a_corpus_without_the_word_says_so():
    one = WordVectors(["ship", "sea"], np.eye(2, dtype=np.float32), np.array([5, 4]))
    other = WordVectors(["plane", "sky"], np.eye(2, dtype=np.float32))
    first, second = compare(["Ship"], {"novels": one, "news": other})["Ship"]
    assert (first.word, first.count, [word for word, _ in first.words]) == ("ship", 5, ["sea"])
    assert (second.count, second.words) == (None, None)
    with pytest.raises(DataError, match="none of the corpora novels, news has the word 'boat'"):
        compare(["boat"], {"novels": one, "news": other})
    with pytest.raises(OptionError, match="top_k"):
        compare(["ship"], {"novels": one}, top_k=0)


def test_training_is_gensims_word2vec():
    from gensim.models import Word2Vec

    dataset = Dataset.from_dict({"text": [SHIP, PLANE] * 6})
    vectors = train_on(dataset, "text", SETTINGS)
    sentences = [text.lower().replace(".", "").replace(",", "").replace("!", "").split() for text in dataset["text"]]
    model = Word2Vec(sentences, vector_size=8, sg=1, negative=5, sample=1e-4, min_count=2, epochs=2, workers=1, seed=0)
    assert set(vectors.words) == set(model.wv.index_to_key)
    for word in vectors.words:
        np.testing.assert_allclose(vectors.vector(word), model.wv[word], atol=1e-6)
        assert vectors.counts[vectors.index[word]] == sum(sentence.count(word) for sentence in sentences)


def test_trained_vectors_are_kept_and_belong_to_content_and_settings(tmp_path, monkeypatch):
    corpus, cache = write_corpus(tmp_path / "ships", SHIP), tmp_path / "cache"
    first = corpus_vectors(corpus, settings=SETTINGS, cache=cache)
    [kept] = cache.iterdir()
    corpus_vectors(corpus, settings=TrainingSettings(dimension=4, epochs=1, min_count=2), cache=cache)
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr("tsugiki_embeddings.maps.corpus_comparison.train_on", None)  # whoever trains again now fails
    again = corpus_vectors(corpus, settings=SETTINGS, cache=cache)
    named = corpus_vectors(str(kept))
    for other in (again, named):
        assert list(other.words) == list(first.words)
        np.testing.assert_array_equal(other.matrix, first.matrix)


def test_command_prints_a_table_or_json(tmp_path, capsys):
    ships, planes = write_corpus(tmp_path / "ships", SHIP), write_corpus(tmp_path / "planes", PLANE)
    options = ["--corpus", ships, "--corpus", planes, "--epochs", "1", "--dimension", "4", "--min-count", "2"]
    assert main(["compare-corpora", "pilot", "harbour", *options, "--top-k", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [entry["corpus"] for entry in printed["pilot"]] == [ships, planes]
    assert [len(entry["words"]) for entry in printed["pilot"]] == [3, 3]
    assert printed["harbour"][1]["words"] is None
    assert main(["compare-corpora", "harbour", *options]) == 0
    assert "not in this corpus" in capsys.readouterr().out
    assert main(["compare-corpora", "zeppelin", *options]) != 0
    assert "zeppelin" in capsys.readouterr().err


def test_vectors_that_are_installed_are_used_unless_the_training_is_told_something(monkeypatch, capsys):
    def train_on(*_):
        raise DataError("trained")

    monkeypatch.setattr("tsugiki_embeddings.maps.corpus_comparison.train_on", train_on)
    assert main(["compare-corpora", "king", "--corpus", "novels", "--top-k", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].startswith("novels (")
    assert printed.err == "novels: the vectors of word2vec-novels\n"
    provenance = Provenance.read(resolve("word2vec-novels"))
    assert provenance.data.train.id == CORPORA["novels"] and provenance.data.train.selection is None


def test_an_empty_corpus_is_one_error(tmp_path):
    with pytest.raises(DataError):
        corpus_vectors(write_corpus(tmp_path / "empty", "..."), settings=SETTINGS)
    with pytest.raises(DataError, match="neither"):
        corpus_vectors("no such corpus", settings=SETTINGS)
