"""Words that read the same are one word: to word vectors that are asked, and to the tokenizer of imported ones."""

from __future__ import annotations

import numpy as np
import pytest
import tsugiki
from tsugiki_embeddings.vectors import WordVectors
from tsugiki_embeddings.words.spelling import WordIndex, plain_word, plain_words

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
CURVED, STRAIGHT = "don\u2019t", "don't"


def test_words_are_found_by_any_spelling_and_the_exact_one_goes_first():
    index = WordIndex(["the", CURVED, DECOMPOSED, STRAIGHT])
    assert [index[word] for word in (CURVED, STRAIGHT, COMPOSED, DECOMPOSED, "\ufeffthe ")] == [1, 3, 2, 2, 0]
    assert COMPOSED in index and "cafe" not in index and 3 not in index
    assert index.get("nobody") is None
    assert list(index) == ["the", CURVED, DECOMPOSED, STRAIGHT]


def test_each_word_keeps_a_spelling_of_its_own():
    assert plain_words([CURVED, DECOMPOSED]) == [STRAIGHT, COMPOSED]
    assert plain_words([CURVED, STRAIGHT]) == [CURVED, STRAIGHT]
    assert plain_words([DECOMPOSED, "cafe\u0301\u200b", "\u200b"]) == [COMPOSED, "cafe\u0301\u200b", "\u200b"]
    assert plain_word("\u00a0New\u3000York ") == "New York"


def some_vectors() -> WordVectors:
    return WordVectors(["the", CURVED, DECOMPOSED], np.eye(3, dtype=np.float32))


@pytest.mark.parametrize(("asked", "row"), [(STRAIGHT, 1), (CURVED, 1), (COMPOSED, 2), (DECOMPOSED, 2)])
def test_vectors_are_asked_in_any_spelling(asked, row):
    vectors = some_vectors()
    assert vectors.spelling(asked) == vectors.spelling(asked.upper()) == vectors.words[row]
    np.testing.assert_array_equal(vectors.vector(asked), vectors.matrix[row])
    others = [word for number, word in enumerate(vectors.words) if number != row]
    assert [word for word, _ in vectors.most_similar(asked)] == others


def test_a_saved_vocabulary_is_read_in_any_spelling(tmp_path):
    some_vectors().save(tmp_path / "saved")
    tokenizer = tsugiki.load_processor(tmp_path / "saved")
    read = tokenizer([CURVED, STRAIGHT, COMPOSED, DECOMPOSED])["input_ids"]
    assert read == [[3], [3], [4], [4]]
    again = WordVectors.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.vector(DECOMPOSED), some_vectors().vector(COMPOSED))


def test_of_words_that_read_the_same_the_tokenizer_finds_one_and_none_is_lost(tmp_path):
    vectors = WordVectors(["one", CURVED, STRAIGHT], np.eye(3, dtype=np.float32))
    _, tokenizer = vectors.to_model()
    assert tokenizer([CURVED, STRAIGHT, "one two"])["input_ids"] == [[4], [4], [2, 1]]
    vectors.save(tmp_path / "saved")
    assert WordVectors.load(tmp_path / "saved").words == vectors.words
