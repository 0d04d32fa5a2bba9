from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import tsugiki
from gensim.models import KeyedVectors
from transformers import AutoModel, AutoTokenizer
from tsugiki import cli
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki_embeddings.vectors import nearest_rows
from tsugiki_embeddings.vectors.word_vectors import WordVectors
from tsugiki_embeddings.words.word_tokenizer import word_tokenizer

logging.getLogger("gensim").setLevel(logging.WARNING)
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated .init_sims:DeprecationWarning")  # gensim's own


def some_vectors(words: int = 200, dimension: int = 12, seed: int = 0) -> WordVectors:
    matrix = np.random.default_rng(seed).normal(size=(words, dimension)).astype(np.float32)
    letters = "abcdefghijklmnopqrstuvwxyz"
    spelled = [letters[row // 26] + letters[row % 26] + "o" for row in range(words)]
    return WordVectors(spelled, matrix, np.arange(words, 0, -1))


def as_gensim_has_them(vectors: WordVectors) -> KeyedVectors:
    keyed = KeyedVectors(vectors.dimension)
    keyed.add_vectors(vectors.words, np.asarray(vectors.matrix, np.float32))
    return keyed


def assert_same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=2e-6)


@pytest.mark.parametrize("vocabulary", [None, 40])
@pytest.mark.parametrize(
    ("positive", "negative"),
    [(["aao"], []), (["abo", "aco"], ["ado"]), (["aeo", "afo", "bao"], []), (["ago"], ["aho", "gao"])],
)
def test_neighbours_are_those_of_gensim(positive, negative, vocabulary):
    vectors = some_vectors()
    keyed = as_gensim_has_them(vectors)
    expected = keyed.most_similar(positive, negative, topn=7, restrict_vocab=vocabulary)
    assert_same(vectors.most_similar(positive, negative, top_k=7, vocabulary=vocabulary), expected)
    if vocabulary is None:  # gensim's own takes no heed of it here
        found = vectors.most_similar(positive, negative, top_k=7, method="3cosmul")
        assert_same(found, keyed.most_similar_cosmul(positive, negative, topn=7))


def test_many_words_at_once_are_answered_as_one_by_one(monkeypatch):
    vectors = some_vectors()
    keyed = as_gensim_has_them(vectors)
    monkeypatch.setattr(nearest_rows, "BLOCK", 12 * 17)  # 17 rows at a time
    monkeypatch.setattr(nearest_rows, "QUERIES", 3)
    for word, found in zip(vectors.words[:10], vectors.neighbors(vectors.words[:10], top_k=30), strict=True):
        assert_same(found, keyed.most_similar(word, topn=30))
    assert vectors.neighbors([]) == []


@pytest.mark.parametrize("method", nearest_rows.METHODS)
def test_analogies_in_a_batch_are_those_one_by_one(method):
    vectors = some_vectors()
    first, second, third = vectors.words[:8], vectors.words[20:28], vectors.words[50:58]
    batch = vectors.analogy(first, second, third, method=method, vocabulary=90, top_k=4)
    for a, b, c, found in zip(first, second, third, batch, strict=True):
        assert_same(found, vectors.analogy(a, b, c, method=method, vocabulary=90, top_k=4))
        assert not {a, b, c} & {word for word, _ in found}


def test_3cosadd_and_3cosmul_are_those_of_gensim():
    vectors = some_vectors()
    keyed = as_gensim_has_them(vectors)
    a, b, c = "aao", "bao", "cao"
    assert_same(vectors.analogy(a, b, c), keyed.most_similar([b, c], [a]))
    assert_same(vectors.analogy(a, b, c, method="3cosmul"), keyed.most_similar_cosmul([b, c], [a]))


def test_euclid_is_the_negative_distance_to_b_minus_a_plus_c():
    vectors = some_vectors()
    a, b, c = "aao", "bao", "cao"
    target = vectors.vector(b) - vectors.vector(a) + vectors.vector(c)
    distances = {w: float(np.linalg.norm(vectors.vector(w) - target)) for w in vectors.words if w not in (a, b, c)}
    expected = sorted(distances.items(), key=lambda item: item[1])[:5]
    assert_same(vectors.analogy(a, b, c, method="euclid", top_k=5), [(word, -score) for word, score in expected])


def test_similarity_and_the_odd_one_out_are_those_of_gensim():
    vectors = some_vectors()
    keyed = as_gensim_has_them(vectors)
    pairs = [("aao", "bbo"), ("cco", "cco"), ("ddo", "fao")]
    np.testing.assert_allclose(vectors.similarity(pairs), [keyed.similarity(*pair) for pair in pairs], atol=1e-6)
    groups = [vectors.words[start : start + 4] for start in range(0, 60, 4)]
    expected = [keyed.doesnt_match(group) for group in groups]
    assert vectors.odd_one_out(groups) == expected
    assert vectors.odd_one_out(groups[0]) == expected[0]
    assert vectors.similarity([]).shape == (0,)


def test_half_precision_stays_and_answers_as_its_float32():
    half = some_vectors().half()
    full = WordVectors(half.words, half.matrix.astype(np.float32))
    assert half.matrix.dtype == np.float16
    for method in nearest_rows.METHODS:
        assert half.analogy("aao", "bao", "cao", method=method) == full.analogy("aao", "bao", "cao", method=method)
    assert half.vector("aao").dtype == np.float32
    np.testing.assert_array_equal(half.unit, full.unit)


@pytest.mark.parametrize("half", [False, True])
def test_a_snapshot_opens_as_a_memory_map(tmp_path, half):
    vectors = some_vectors().half() if half else some_vectors()
    vectors.save(tmp_path / "tiny")
    mapped = WordVectors.load(tmp_path / "tiny", memory_map=True)
    base = mapped.matrix
    while not isinstance(base, np.memmap):
        base = base.base
    assert Path(base.filename).name == "model.safetensors"
    np.testing.assert_array_equal(mapped.matrix, vectors.matrix)
    assert mapped.matrix.dtype == vectors.matrix.dtype
    np.testing.assert_array_equal(mapped.counts, vectors.counts)
    assert mapped.most_similar("aao") == vectors.most_similar("aao")


def test_a_snapshot_keeps_words_vectors_and_counts(tmp_path):
    vectors = some_vectors()
    vectors.save(tmp_path / "tiny")
    loaded = WordVectors.load(tmp_path / "tiny")
    assert loaded.words == vectors.words
    np.testing.assert_array_equal(loaded.matrix, vectors.matrix)
    np.testing.assert_array_equal(loaded.counts, vectors.counts)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    model = AutoModel.from_pretrained(tmp_path / "tiny")
    hidden = model(**tokenizer("aao ABO unknown", return_tensors="pt")).last_hidden_state[0].detach().numpy()
    np.testing.assert_array_equal(hidden, [vectors.vector("aao"), vectors.vector("abo"), np.zeros(12)])
    with pytest.raises(OutputError, match="exists already"):
        vectors.save(tmp_path / "tiny")


def test_half_precision_is_stored_and_loaded_as_asked(tmp_path):
    half = some_vectors().half()
    half.save(tmp_path / "tiny")
    assert WordVectors.load(tmp_path / "tiny").matrix.dtype == np.float32
    stored = WordVectors.load(tmp_path / "tiny", dtype="auto")
    assert stored.matrix.dtype == np.float16
    np.testing.assert_array_equal(stored.matrix, half.matrix)
    with pytest.raises(OptionError, match="float32 and auto"):
        WordVectors.load(tmp_path / "tiny", dtype="int8")


def test_words_that_are_not_made_of_letters_are_found_in_texts():
    words = ["New_York", "e-mail", "3.14", "the", "<unk>"]
    model, tokenizer = WordVectors(words, np.eye(5, dtype=np.float32)).to_model()
    assert tokenizer("the e-mail of New_York")["input_ids"] == [5, 3, 1, 2]
    assert model.config.vocab_size == 6  # the file's own <unk> gave way
    np.testing.assert_array_equal(model.embeddings.weight[:2].detach(), torch.zeros(2, 5))


def test_unknown_words_are_one_error_with_the_nearest():
    vectors = WordVectors(["king", "queen", "kingdom"], np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match=r"does not have the word 'kinng'\. Did you mean 'king'"):
        vectors.most_similar("kinng")
    with pytest.raises(
        DataError, match=r"words 'kinng', 'quen'\. Nearest known ones: 'kinng': 'king', 'quen': 'queen'"
    ):
        vectors.similarity([("kinng", "quen"), ("king", "quen")])
    with pytest.raises(DataError, match="does not have the word 'xyzzy'"):
        vectors.vector("xyzzy")
    with pytest.raises(DataError, match="'kinng'"):
        vectors.rows(["king", "kinng"])
    assert vectors.rows(["kingdom", "king"]).tolist() == [2, 0]
    assert vectors.spelling("King") == "king"
    assert "king" in vectors
    assert "King" not in vectors


def test_a_vector_of_zeros_is_near_to_nothing():
    vectors = WordVectors(["zero", "one", "two"], np.array([[0, 0], [1, 0], [1, 1]], np.float32))
    assert vectors.similarity([("zero", "one")]).tolist() == [0]
    assert dict(vectors.most_similar("one"))["zero"] == 0
    assert np.isfinite(vectors.unit).all()


def test_fewer_answers_are_left_than_asked_for():
    vectors = WordVectors(["a", "b", "c"], np.eye(3, dtype=np.float32))
    assert [word for word, _ in vectors.most_similar(["a", "b"], top_k=10)] == ["c"]
    assert vectors.analogy("a", "b", "c") == []


@pytest.mark.parametrize(
    ("words", "matrix", "message"),
    [
        ([], np.zeros((0, 3), np.float32), "no word vectors"),
        (["a"], np.zeros((1, 0), np.float32), "no word vectors"),
        (["a", "b"], np.zeros((3, 2), np.float32), "2 words do not fit a matrix of 3 rows"),
        (["a", "b", "a"], np.zeros((3, 2), np.float32), "'a' stands twice"),
        (["a"], np.zeros(3, np.float32), r"must be floating \(V, D\)"),
        (["a"], np.zeros((1, 3), np.int64), r"must be floating \(V, D\)"),
    ],
)
def test_what_does_not_fit_together_is_refused(words, matrix, message):
    with pytest.raises(DataError, match=message):
        WordVectors(words, matrix)


def test_counts_must_fit():
    with pytest.raises(DataError, match="do not fit counts"):
        WordVectors(["a", "b"], np.eye(2, dtype=np.float32), np.array([1]))


def test_nan_is_refused_by_the_first_query_and_names_the_word():
    matrix = np.eye(3, dtype=np.float32)
    matrix[1, 2] = np.nan
    with pytest.raises(DataError, match=r"the vector of 'b' \(row 1\) holds NaN"):
        WordVectors(["a", "b", "c"], matrix).most_similar("a")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: v.most_similar("aao", top_k=0), "top_k"),
        (lambda v: v.most_similar("aao", vocabulary=0), "vocabulary"),
        (lambda v: v.most_similar("aao", method="3cosad"), "Did you mean '3cosadd'"),
        (lambda v: v.most_similar([]), "at least one positive word"),
        (lambda v: v.odd_one_out(["aao", "abo"]), "three words or more"),
        (lambda v: v.analogy(["aao"], ["abo"], "aco"), "three words, or three equally long lists"),
        (lambda v: v.analogy(["aao"], ["abo"], ["aco", "ado"]), "three equally long lists"),
    ],
)
def test_options_out_of_range_are_refused(ask, message):
    with pytest.raises(OptionError, match=message):
        ask(some_vectors(100))


def test_unknown_words_of_fasttext_are_composed_from_their_letters(tmp_path):
    torch.manual_seed(0)
    model = tsugiki.create_model("fasttext", "base", vocab_size=6, hidden_size=8, num_buckets=500)
    tokenizer = word_tokenizer(["sing", "singer", "walk", "walker"])
    model.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    vectors = WordVectors.load(tmp_path / "tiny")
    np.testing.assert_allclose(vectors.vector("singing"), model.vector("singing").detach().numpy(), atol=1e-7)
    cosine = float(vectors.similarity([("singing", "walk")])[0])
    assert dict(vectors.most_similar("singing", top_k=4))["walk"] == pytest.approx(cosine, abs=1e-6)
    with pytest.raises(DataError, match="does not have the word ''"):
        vectors.vector("")
    with pytest.raises(DataError, match="is of the family fasttext"):
        WordVectors.load(tmp_path / "tiny", memory_map=True)


def test_a_model_of_another_kind_is_refused(tmp_path):
    tsugiki.create_model("embedding-mean", "base", vocab_size=6, hidden_size=2).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="no table of word vectors"):
        WordVectors.load(tmp_path)


def test_model_and_tokenizer_must_belong_together():
    model, _ = some_vectors(30).to_model()
    with pytest.raises(DataError, match="does not fit a model"):
        WordVectors.from_model(model, word_tokenizer(["a", "b"]))


def test_bfloat16_becomes_float32():
    model, tokenizer = some_vectors(30).to_model()
    vectors = WordVectors.from_model(model.to(torch.bfloat16), tokenizer)
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_allclose(vectors.matrix, some_vectors(30).matrix, rtol=1e-2)


def test_import_vectors_tells_nothing_of_the_folders_it_read_from(tmp_path, capsys):
    home = tmp_path / "home-of-alice"
    home.mkdir()
    (home / "vectors.txt").write_text("".join(f"word{number} 0.1 0.2 {number}\n" for number in range(20)))
    first, again = home / "first", home / "again"
    assert cli.main(["import-vectors", str(home / "vectors.txt"), "--output-dir", str(first), "--half"]) == 0
    WordVectors.load(first).save(again)
    for file in (*first.iterdir(), *again.iterdir()):
        assert b"alice" not in file.read_bytes(), file
    for option in ("--format", "--limit", "--unicode-errors"):
        arguments = ["import-vectors", str(home / "vectors.txt"), "--output-dir", str(home / "x"), option, "Alice"]
        assert cli.main(arguments) != 0
        assert not (home / "x").exists()
