from __future__ import annotations

import numpy as np
import pytest
from tsugiki.errors import DataError
from tsugiki_embeddings.bias.bias import direct_bias, gender_direction
from tsugiki_embeddings.bias.bias_lists import BiasLists
from tsugiki_embeddings.bias.debias import debias, equalize, gender_specific_words, neutralize
from tsugiki_embeddings.vectors.word_vectors import WordVectors

PAIRS = tuple((f"woman{number}", f"man{number}") for number in range(12))


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    """Pairs that differ along the first axis, marked as gendered along the second; others biased along the first."""
    generator = np.random.default_rng(0)
    rows, words = [], []
    for pair in PAIRS:
        common = generator.normal(size=10)
        for word, side in zip(pair, (1, -1), strict=True):
            row = common + generator.normal(scale=0.1, size=10)
            row[:2] = 2 * side, 3
            rows.append(row)
            words.append(word)
    for number in range(80):
        row = generator.normal(size=10)
        row[1] = -1
        rows.append(row)
        words.append(f"job{number}")
    return WordVectors(words, np.array(rows, np.float32), np.arange(len(words), 0, -1))


@pytest.fixture(scope="module")
def lists() -> BiasLists:
    specific = frozenset(word for pair in PAIRS for word in pair)
    return BiasLists(PAIRS[:8], PAIRS, specific, tuple(f"job{number}" for number in range(30)))


def test_neutral_words_are_orthogonal_to_the_direction(vectors, lists):
    result = debias(vectors, lists)
    neutral = [row for row, word in enumerate(vectors.words) if word not in result.gender_specific]
    assert len(neutral) == 80
    assert np.abs(result.matrix[neutral] @ result.direction).max() < 1e-6
    assert np.linalg.norm(result.matrix, axis=1) == pytest.approx(np.ones(len(vectors.words)), abs=1e-5)


def test_neutralized_rows_keep_the_rest_of_their_direction():
    generator = np.random.default_rng(1)
    rows, axis = generator.normal(size=(5, 4)), np.array([0.6, 0.8, 0, 0])
    neutral = np.array([True, True, False, True, False])
    result = neutralize(rows, axis, neutral)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for number in range(5):
        expected = unit[number] - (unit[number] @ axis) * axis if neutral[number] else unit[number]
        np.testing.assert_allclose(result[number], expected / np.linalg.norm(expected), atol=1e-12)
    assert not neutralize(axis[None], axis, np.array([True])).any()


def test_equalized_pairs_are_equally_far_from_every_neutral_word(vectors, lists):
    result = debias(vectors, lists)
    neutral = result.matrix[[vectors.index[word] for word in vectors.words if word not in result.gender_specific]]
    assert len(result.equalized) == 12
    for first, second in result.equalized:
        one, other = (result.matrix[vectors.index[word]] for word in (first, second))
        np.testing.assert_allclose(
            np.linalg.norm(neutral - one, axis=1), np.linalg.norm(neutral - other, axis=1), atol=1e-5
        )
        difference = (one - other) / np.linalg.norm(one - other)
        assert difference @ result.direction == pytest.approx(1, abs=1e-5)  # the women's side stays theirs


def test_equalize_is_the_formula_of_the_paper():
    """Bolukbasi et al. 2016, section 6: nu + sqrt(1 - |nu|^2) (w_B - mu_B) / |w_B - mu_B|."""
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(3, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    axis = np.eye(5)[3]
    result = equalize(rows, axis, np.array([[0, 2]]))
    middle = (rows[0] + rows[2]) / 2
    nu = middle - (middle @ axis) * axis
    for number in (0, 2):
        along = (rows[number] @ axis) * axis - (middle @ axis) * axis
        expected = nu + np.sqrt(1 - nu @ nu) * along / np.linalg.norm(along)
        np.testing.assert_allclose(result[number], expected, atol=1e-12)
    np.testing.assert_array_equal(result[1], rows[1])


def test_held_out_words_are_judged_by_a_classifier_that_has_not_seen_them(vectors, lists):
    held = ["woman9", "man9", "job1", "job2"]
    result = debias(vectors, lists, held_out=held)
    assert result.held_out == held
    assert {"woman9", "man9"} <= result.gender_specific
    assert not {"job1", "job2"} & result.gender_specific
    assert ("woman9", "man9") not in result.equalized
    lied = BiasLists(lists.definitional, lists.equalize, lists.gender_specific | {"job1"}, ())
    assert debias(vectors, lied, held_out=held).gender_specific == result.gender_specific  # the list is not looked at


def test_direct_bias_of_held_out_words_is_gone(vectors, lists):
    direction = gender_direction(vectors, lists.definitional).vector
    before = direct_bias(vectors, lists.professions, direction)
    after = WordVectors(vectors.words, debias(vectors, lists).matrix)
    assert direct_bias(after, lists.professions, direction) < 0.01 * before


def test_direction_can_be_fitted_on_other_pairs(vectors, lists):
    result = debias(vectors, lists, definitional=PAIRS[8:])
    np.testing.assert_allclose(result.direction, gender_direction(vectors, PAIRS[8:]).vector)


def test_a_word_is_equalized_once(vectors, lists):
    twice = BiasLists(lists.definitional, (*lists.equalize, ("woman0", "man3")), lists.gender_specific, ())
    assert debias(vectors, twice).equalized == list(lists.equalize)


def test_same_seed_gives_the_same_vectors(vectors, lists):
    np.testing.assert_array_equal(debias(vectors, lists).matrix, debias(vectors, lists).matrix)


def test_too_few_gender_specific_words_are_refused(vectors, lists):
    with pytest.raises(DataError, match="listed as gender-specific"):
        gender_specific_words(vectors, ["woman0"], held_out=["job1"])
    unknown = BiasLists((("she", "he"),), (), frozenset(), ())
    with pytest.raises(DataError, match="none of the pairs"):
        debias(vectors, unknown)
