from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from sklearn.utils import estimator_checks
from tsugiki.errors import DataError, OptionError
from tsugiki_embeddings.scdv.scdv_vectorizer import SCDVVectorizer, tokenize_texts
from tsugiki_embeddings.vectors.word_vectors import WordVectors
from tsugiki_embeddings.words.word_tokenizer import SPECIAL, word_list

from .scdv_by_hand import LABELS, TEXTS, cut, dense_documents, threshold_of, word_topic_vectors

SMALL = {"n_clusters": 3, "vector_size": 8, "min_count": 1, "epochs": 2, "random_state": 0}

# Of scikit-learn's checks those that fit nothing. `check_estimator` runs the first and skips all others, with a
# warning, for whatever takes strings and no numbers (N, F), as it does for its own text vectorizers; those that fit on
# numbers are written out with texts below.
WITHOUT_NUMBERS = [
    name
    for name in (
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",  # newer than scikit-learn 1.6
        "check_mixin_order",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
    )
    if hasattr(estimator_checks, name)
]


@pytest.fixture(scope="module")
def fitted() -> SCDVVectorizer:
    return SCDVVectorizer(**SMALL).fit(TEXTS)


def given_vectors() -> WordVectors:
    words = sorted({word for text in TEXTS for word in text.split()})
    matrix = np.random.default_rng(5).normal(size=(len(words), 6)).astype(np.float32)
    return WordVectors([*words, "unseen"], np.concatenate([matrix, np.ones((1, 6), np.float32)]))


def by_hand(vectorizer: SCDVVectorizer, texts: list[str], fitted_on: list[str], share: float) -> np.ndarray:
    state = (vectorizer.word_vectors_, vectorizer.word_clusters_, vectorizer.idf_)
    topics = word_topic_vectors(*(array.astype(np.float64) for array in state))
    numbers = vectorizer.vocabulary_

    def documents(some: list[str]) -> np.ndarray:
        return dense_documents([[numbers[w] for w in text.split() if w in numbers] for text in some], topics)

    return cut(documents(texts), threshold_of(documents(fitted_on), share))


def test_check_estimator_passes_what_it_does_not_skip():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator_checks.check_estimator(SCDVVectorizer(**SMALL))
    assert {warning.category for warning in caught} == {SkipTestWarning}
    assert "string=True" in str(caught[0].message)


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_passes_the_checks_that_need_no_numbers(name):
    check, vectorizer = getattr(estimator_checks, name), SCDVVectorizer(**SMALL)
    assert check("SCDVVectorizer", vectorizer) is None  # it raises what it finds


def test_transforming_before_fitting_is_scikit_learns_error():
    for method in ("transform", "get_feature_names_out", "to_model"):
        with pytest.raises(NotFittedError):
            getattr(SCDVVectorizer(), method)(*([TEXTS] if method == "transform" else []))


def test_fit_returns_itself_changes_no_parameter_and_repeats_by_seed(fitted):
    vectorizer = SCDVVectorizer(**SMALL)
    before = vectorizer.get_params()
    assert vectorizer.fit(TEXTS, LABELS) is vectorizer
    assert vectorizer.get_params() == before
    np.testing.assert_array_equal(vectorizer.transform(TEXTS).toarray(), fitted.transform(TEXTS).toarray())
    other = SCDVVectorizer(**{**SMALL, "random_state": 1}).fit(TEXTS)
    assert not np.array_equal(other.word_vectors_, fitted.word_vectors_)


def test_fitting_again_is_fitting_anew(fitted):
    vectorizer = SCDVVectorizer(**SMALL).fit(TEXTS[2:4]).fit(TEXTS)
    assert vectorizer.vocabulary_ == fitted.vocabulary_
    np.testing.assert_array_equal(vectorizer.idf_, fitted.idf_)


def test_fit_transform_is_fit_then_transform(fitted):
    together = clone(fitted).fit_transform(TEXTS)
    np.testing.assert_array_equal(together.toarray(), fitted.transform(TEXTS).toarray())


def test_order_and_subset_of_texts_do_not_matter(fitted):
    whole = fitted.transform(TEXTS).toarray()
    np.testing.assert_array_equal(fitted.transform(TEXTS[::-1]).toarray(), whole[::-1])
    np.testing.assert_array_equal(fitted.transform(TEXTS[3:5]).toarray(), whole[3:5])


def test_survives_a_pickle_as_parallel_searches_need(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(TEXTS).toarray(), fitted.transform(TEXTS).toarray())


def test_vectors_are_the_papers_algorithm_sparse_and_float32(fitted):
    texts = [*TEXTS[:6], "nothing known", "", "cat"]
    found = fitted.transform(texts)
    assert issparse(found) and found.format == "csr" and found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), by_hand(fitted, texts, TEXTS, share=0.04), atol=1e-6)
    assert found[[6, 7]].nnz == 0


def test_vectors_of_words_are_what_the_texts_use(fitted):
    rows = [fitted.vocabulary_[word] for word in ("cat", "market")]
    assert fitted.word_vectors_.shape == (SPECIAL + len(fitted.vocabulary_), 8)
    assert np.isfinite(fitted.word_vectors_).all()
    assert fitted.word_vectors_[rows].any(1).all()
    assert not fitted.word_vectors_[:SPECIAL].any()
    np.testing.assert_allclose(fitted.word_clusters_[SPECIAL:].sum(1), 1, atol=1e-5)


def test_given_vectors_are_used_for_the_words_they_have():
    vectors = given_vectors()
    vectorizer = SCDVVectorizer(vectors, n_clusters=3, min_count=1, sparsity=0.2, idf="plain", random_state=0)
    found = vectorizer.fit_transform([*TEXTS, "zebra"])
    assert "zebra" not in vectorizer.vocabulary_
    assert "unseen" not in vectorizer.vocabulary_
    row = vectorizer.vocabulary_["market"]
    np.testing.assert_array_equal(vectorizer.word_vectors_[row], vectors.vector("market"))
    frequency = sum("market" in text.split() for text in TEXTS)
    assert vectorizer.idf_[row] == pytest.approx(np.log((len(TEXTS) + 1) / frequency), rel=1e-6)
    expected = by_hand(vectorizer, [*TEXTS, "zebra"], [*TEXTS, "zebra"], share=0.2)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)


def test_named_vectors_are_loaded(tmp_path):
    given_vectors().save(tmp_path / "vectors")
    vectorizer = SCDVVectorizer(str(tmp_path / "vectors"), n_clusters=3, min_count=1, random_state=0).fit(TEXTS)
    other = SCDVVectorizer(given_vectors(), n_clusters=3, min_count=1, random_state=0).fit(TEXTS)
    np.testing.assert_allclose(vectorizer.transform(TEXTS).toarray(), other.transform(TEXTS).toarray(), atol=1e-6)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_every_covariance_separates_two_topics(covariance):
    vectorizer = SCDVVectorizer(given_vectors(), n_clusters=2, covariance_type=covariance, min_count=1, random_state=0)
    assert make_pipeline(vectorizer, LinearSVC()).fit(TEXTS, LABELS).score(TEXTS, LABELS) == 1.0


def test_model_and_vectorizer_are_the_same_both_ways(fitted):
    model, tokenizer = fitted.to_model()
    texts = [*TEXTS[:6], "cat unknownword"]
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        dense = model(encoded["input_ids"], encoded["attention_mask"]).pooler_output.numpy()
    np.testing.assert_allclose(fitted.transform(texts).toarray(), dense, atol=1e-6)
    again = SCDVVectorizer.from_model(model, tokenizer)
    np.testing.assert_array_equal(again.transform(texts).toarray(), fitted.transform(texts).toarray())
    assert again.n_clusters == 3


def test_logarithms_of_counts_are_scikit_learns_in_vectorizer_and_model():
    texts = ["cat cat cat sat sat market", "the cat and the dog and the mat", "stocks"]
    vectorizer = SCDVVectorizer(
        given_vectors(), n_clusters=3, min_count=1, idf="smooth", sublinear_tf=True, sparsity=0.0
    ).fit(TEXTS)
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    tfidf = TfidfVectorizer(vocabulary=words, sublinear_tf=True, norm=None).fit(TEXTS).transform(texts).toarray()
    words_topics = zip(vectorizer.word_clusters_[SPECIAL:], vectorizer.word_vectors_[SPECIAL:], strict=True)
    expected = tfidf @ np.array([np.outer(shares, vector).ravel() for shares, vector in words_topics])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), expected, atol=1e-6)
    model, tokenizer = vectorizer.to_model()
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        dense = model(encoded["input_ids"], encoded["attention_mask"]).pooler_output.numpy()
    np.testing.assert_allclose(dense, expected, atol=1e-6)
    assert SCDVVectorizer.from_model(model, tokenizer).sublinear_tf


def test_a_tokenizer_of_another_model_is_refused(fitted):
    model, _ = fitted.to_model()
    other = SCDVVectorizer(**SMALL).fit(TEXTS[2:4]).tokenizer_
    with pytest.raises(DataError, match="load both from one snapshot"):
        SCDVVectorizer.from_model(model, other)


def test_names_of_features_follow_the_columns(fitted):
    names = fitted.get_feature_names_out()
    assert names.shape == (24,) and names[0] == "cluster0_0" and names[9] == "cluster1_1"


def test_works_in_pipelines_unions_and_grid_searches():
    both = make_union(SCDVVectorizer(**SMALL), TfidfVectorizer())
    pipeline = make_pipeline(both, LinearSVC()).fit(TEXTS, LABELS)
    assert pipeline.score(TEXTS, LABELS) == 1.0
    search = GridSearchCV(
        make_pipeline(SCDVVectorizer(**SMALL), LinearSVC()), {"scdvvectorizer__sparsity": [0.0, 0.1]}, cv=2
    ).fit(TEXTS, LABELS)
    assert set(search.cv_results_["mean_test_score"]) <= {1.0} | {score / 12 for score in range(13)}
    assert search.best_estimator_[0].sparsity in (0.0, 0.1)


def test_a_cut_vocabulary_keeps_the_commonest_words():
    vectorizer = SCDVVectorizer(**{**SMALL, "max_words": 5}).fit(TEXTS)
    assert word_list(vectorizer.tokenizer_)[SPECIAL : SPECIAL + 2] == ["the", "and"]
    assert len(vectorizer.vocabulary_) == 5


def test_long_lists_of_texts_are_tokenised_in_pieces(fitted):
    texts = TEXTS * 60
    tokens, offsets = tokenize_texts(fitted.tokenizer_, texts)
    row = len(texts) - 2
    assert tokens[offsets[row] : offsets[row + 1]].tolist() == fitted.tokenizer_(texts[row])["input_ids"]
    assert len(offsets) == len(texts) + 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "the corpus is empty"),
        (["", " "], "the corpus has no word|the corpus is empty"),
        (["word"], "vectors need at least two"),
        (["two words"], "3 clusters need at least as many words, and there are 2"),
        ("one text", "put it in brackets"),
        (["text", None], "number 1 is NoneType"),
    ],
)
def test_a_corpus_that_cannot_be_fitted_is_one_sentence(texts, message):
    with pytest.raises(DataError, match=message):
        SCDVVectorizer(**SMALL).fit(texts)


def test_vectors_of_another_language_are_refused():
    foreign = WordVectors(["chat", "chien"], np.eye(2, dtype=np.float32))
    with pytest.raises(DataError, match="none of the texts' words"):
        SCDVVectorizer(foreign, n_clusters=2, min_count=1).fit(TEXTS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be at least 1"),
        ({"covariance_type": "full?"}, "covariance_type must be one of"),
        ({"sparsity": 1.5}, "sparsity is a share"),
        ({"idf": "tf"}, "idf must be one of"),
        ({"min_count": 0}, "min_count and max_words must be at least 1"),
    ],
)
def test_parameters_out_of_range_are_refused_when_fitting(parameters, message):
    with pytest.raises(OptionError, match=message):
        SCDVVectorizer(**{**SMALL, **parameters}).fit(TEXTS)
