from __future__ import annotations

import itertools

import numpy as np
import pytest
from tsugiki.errors import DataError, OptionError
from tsugiki_embeddings.bias.bias import (
    direct_bias,
    gender_direction,
    most_biased,
    projections,
    two_means_accuracy,
    weat,
)
from tsugiki_embeddings.bias.bias_lists import WEAT_TESTS, BiasLists, WeatTest, known_pairs, known_words
from tsugiki_embeddings.vectors.word_vectors import WordVectors


def random_vectors(count: int = 60, dimension: int = 8, seed: int = 0) -> WordVectors:
    matrix = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return WordVectors([f"w{number}" for number in range(count)], matrix)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one.astype(float) @ other / np.linalg.norm(one.astype(float)) / np.linalg.norm(other.astype(float)))


def small_test(first: int = 4, second: int = 3) -> WeatTest:
    words = [f"w{number}" for number in range(first + second + 5)]
    return WeatTest(
        "small",
        tuple(words[:first]),
        tuple(words[first : first + second]),
        tuple(words[first + second : -2]),
        tuple(words[-2:]),
    )


def test_direction_is_the_first_component_of_scikit_learns_pca():
    from sklearn.decomposition import PCA

    vectors = random_vectors()
    pairs = [(f"w{2 * number}", f"w{2 * number + 1}") for number in range(6)]
    centred = []
    for first, second in pairs:
        rows = [vectors.vector(word) / np.linalg.norm(vectors.vector(word)) for word in (first, second)]
        centred += [row - np.mean(rows, axis=0) for row in rows]
    pca = PCA().fit(np.array(centred, np.float64))
    found = gender_direction(vectors, pairs)
    assert abs(found.vector @ pca.components_[0]) == pytest.approx(1, abs=1e-6)
    assert found.explained[:5] == pytest.approx(pca.explained_variance_ratio_[:5], abs=1e-6)


def test_direction_points_at_the_first_words_of_the_pairs():
    vectors = WordVectors(["she", "he", "woman", "man"], np.array([[1, 1], [-1, 1], [1, 2], [-1, 2]], np.float32))
    pairs = [("she", "he"), ("woman", "man"), ("unknown", "he")]
    found = gender_direction(vectors, pairs)
    assert found.vector == pytest.approx([1, 0])
    assert found.pairs == pairs[:2]
    assert gender_direction(vectors, [("he", "she")]).vector == pytest.approx([-1, 0])


@pytest.mark.parametrize("strictness", [1.0, 0.5, 2.0])
def test_direct_bias_is_the_mean_of_the_cosines(strictness):
    vectors = random_vectors()
    direction = np.linspace(-1, 1, 8) / np.linalg.norm(np.linspace(-1, 1, 8))
    words = ["w3", "w5", "w8"]
    expected = np.mean([abs(cosine(vectors.vector(word), direction)) ** strictness for word in words])
    measured = direct_bias(vectors, [*words, "unknown"], direction, strictness=strictness)
    assert measured == pytest.approx(expected, rel=1e-6)
    assert projections(vectors, words, direction)[1] == pytest.approx(cosine(vectors.vector("w5"), direction), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_weat_is_the_papers_formula_with_every_partition(seed):
    vectors, test = random_vectors(seed=seed), small_test()

    def association(word: str) -> float:
        sets = (test.first_attributes, test.second_attributes)
        one, other = (np.mean([cosine(vectors.vector(word), vectors.vector(a)) for a in words]) for words in sets)
        return float(one - other)

    first, second = ([association(word) for word in words] for words in (test.first_targets, test.second_targets))
    everything = [*first, *second]
    effect = (np.mean(first) - np.mean(second)) / np.std(everything)
    observed = sum(first) - sum(second)
    stronger = 0
    partitions = list(itertools.combinations(range(7), 4))
    for chosen in partitions:
        rest = [value for number, value in enumerate(everything) if number not in chosen]
        stronger += sum(everything[number] for number in chosen) - sum(rest) >= observed - 1e-12
    result = weat(vectors, test)
    assert result.effect_size == pytest.approx(effect, rel=1e-5)
    assert result.p_value == pytest.approx(stronger / len(partitions))
    assert (result.partitions, result.exact, result.found, result.asked) == (35, True, 12, 12)


def test_weat_draws_partitions_where_there_are_too_many():
    vectors, test = random_vectors(), small_test(10, 10)
    result = weat(vectors, test, partitions=4000)
    assert not result.exact
    assert result.partitions == 4001
    again = weat(vectors, test, partitions=4000, seed=1)
    assert result.p_value == pytest.approx(again.p_value, abs=0.04)  # four standard deviations of the difference


def test_weat_leaves_unknown_words_out_and_refuses_empty_sets():
    vectors, test = random_vectors(), small_test()
    wider = WeatTest("wider", (*test.first_targets, "unknown"), *(list(vars(test).values())[2:]))
    assert weat(vectors, wider).effect_size == weat(vectors, test).effect_size
    assert weat(vectors, wider).asked == 13
    with pytest.raises(DataError, match="of the four sets"):
        weat(vectors, WeatTest("empty", test.first_targets, test.second_targets, ("unknown",), ("w1",)))


def test_weat_sets_of_the_paper_have_eight_words_each():
    for test in WEAT_TESTS:
        sets = [test.first_targets, test.second_targets, test.first_attributes, test.second_attributes]
        assert [len(set(words)) for words in sets] == [8] * 4
        assert len({word.lower() for words in sets for word in words}) == 32


def test_most_biased_words_are_the_ends_of_the_projection():
    vectors = random_vectors()
    direction = np.eye(8)[2]
    order = sorted(vectors.words[:50], key=lambda word: cosine(vectors.vector(word), direction))
    order.remove("w7")
    along, against = most_biased(vectors, direction, count=5, exclude={"w7"}, frequent=50)
    assert along == order[::-1][:5]
    assert against == order[:5]
    with pytest.raises(OptionError, match="ask for fewer"):
        most_biased(vectors, direction, count=31)


def test_two_means_tell_separate_groups_apart_and_mixed_ones_not():
    generator = np.random.default_rng(0)
    apart = generator.normal(size=(40, 4)) + np.repeat([[9, 0, 0, 0], [-9, 0, 0, 0]], 20, axis=0)
    words = [f"w{number}" for number in range(40)]
    vectors = WordVectors(words, apart.astype(np.float32))
    assert two_means_accuracy(vectors, words[:20], words[20:]) == 1
    assert two_means_accuracy(vectors, words[::2], words[1::2]) == 0.5


def test_known_words_are_found_as_written_or_in_lower_case():
    index = {"einstein": 0, "John": 1, "mary": 2, "john": 3}
    assert known_words(index, ["Einstein", "EINSTEIN", "John", "nobody"]) == ["einstein", "John"]
    assert known_pairs(index, [("Mary", "John"), ("mary", "John"), ("mary", "Mary"), ("Mary", "nobody")]) == [
        ("mary", "John")
    ]


def test_lists_without_known_words_are_refused():
    vectors = random_vectors()
    with pytest.raises(DataError, match="none of the pairs"):
        gender_direction(vectors, [("she", "he")])
    with pytest.raises(DataError, match="none of the words"):
        direct_bias(vectors, ["nurse"], np.eye(8)[0])
    same = WordVectors(["she", "he"], np.ones((2, 3), np.float32))
    with pytest.raises(DataError, match="the same vector"):
        gender_direction(same, [("she", "he")])


@pytest.mark.data("tsugiki/debiaswe")
def test_lists_of_the_data_set_are_those_of_its_description():
    lists = BiasLists.load()
    assert len(lists.definitional) + len(lists.equalize) == 62
    assert ("she", "he") in lists.definitional
    assert ("brother", "sister") in lists.equalize
    assert "sister" in lists.gender_specific and "nurse" not in lists.gender_specific
    assert len(lists.professions) == 256 and "nurse" in lists.professions
