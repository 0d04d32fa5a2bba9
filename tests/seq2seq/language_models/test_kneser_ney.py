from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from tsugiki.errors import DataError, OptionError
from tsugiki_seq2seq.language_models import kneser_ney

VOCABULARY = 12


def random_stream(length: int, seed: int = 0, vocabulary: int = VOCABULARY) -> np.ndarray:
    """Tokens of which low ones are common."""
    return (np.random.default_rng(seed).random(length) ** 2 * vocabulary).astype(np.int32)


def formula(stream: list[int], order: int, vocabulary: int, discounts: list[float]):
    """P(word | context) with dictionaries, by the formula in the module's docstring."""
    grams = {n: Counter(tuple(stream[i : i + n]) for i in range(len(stream) - n + 1)) for n in range(1, order + 1)}
    counts = {order: grams[order]}
    for n in range(1, order):
        counts[n] = Counter(gram[1:] for gram in grams[n + 1])

    def chance(word: int, context: tuple[int, ...]) -> float:
        n = len(context) + 1
        lower = 1 / vocabulary if n == 1 else chance(word, context[1:])
        after = [count for gram, count in counts[n].items() if gram[:-1] == context]
        if not after:
            return lower
        discount = discounts[n - 1]
        kept = max(counts[n][(*context, word)] - discount, 0)
        return (kept + discount * len(after) * lower) / sum(after)

    return chance


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_the_formula(order):
    train, test = random_stream(300), random_stream(80, seed=1)
    model = kneser_ney.fit(train, order, VOCABULARY)
    chance = formula(train.tolist(), order, VOCABULARY, model.discounts)
    tokens = test.tolist()
    expected = [
        -math.log(chance(token, tuple(tokens[max(0, place - order + 1) : place]))) for place, token in enumerate(tokens)
    ]
    np.testing.assert_allclose(model.nats(test), expected, rtol=1e-12)


@pytest.mark.parametrize("order", [2, 3])
def test_equal_to_nltk_on_a_thousand_sentences(order):
    lm = pytest.importorskip("nltk.lm")
    util = pytest.importorskip("nltk.util")
    generator = np.random.default_rng(3)
    pieces = [[0, *(1 + generator.random(generator.integers(2, 12)) ** 3 * 50).astype(int)] for _ in range(1000)]
    train = [int(token) for piece in pieces for token in piece]
    train += train[:order]  # so that what stands first, with nothing before it, stands elsewhere too
    test = [int(token) for token in generator.permutation(train)[:80]]
    theirs = lm.KneserNeyInterpolated(order, discount=0.1)
    words = [str(token) for token in train]
    theirs.fit([list(util.everygrams(words, max_len=order))], words)
    expected = [
        theirs.score(str(token), [str(one) for one in test[max(0, place - order + 1) : place]])
        for place, token in enumerate(test)
    ]
    ours = kneser_ney.fit(train, order, 60, discount=[0.0, *[0.1] * (order - 1)])
    np.testing.assert_allclose(np.exp(-ours.nats(test)), expected, rtol=1e-10)


def test_probabilities_sum_to_one_after_any_context():
    train = random_stream(200)
    model = kneser_ney.fit(train, 4, VOCABULARY)
    for context in ([], [0], [11, 11, 11], train[50:53].tolist(), [5, 0, 1]):
        chances = [np.exp(-model.nats([*context, token])[-1]) for token in range(VOCABULARY)]
        assert sum(chances) == pytest.approx(1)
        assert min(chances) > 0


def test_discounts_come_from_the_counts_of_their_order():
    model = kneser_ney.fit([0, 1, 0, 1, 2, 3, 0, 4, 2, 1], 2, 6)
    # bigrams: 01 twice; 10 12 23 30 04 42 21 once. What a token was seen after: 0: 1 3; 1: 0 2; 2: 1 4; 3: 2; 4: 0.
    assert model.discounts == pytest.approx([2 / (2 + 2 * 3), 7 / (7 + 2)])


def test_an_order_without_singletons_has_half_a_discount():
    assert kneser_ney.estimated_discount(np.array([3, 3, 2])) == kneser_ney.UNDEFINED_DISCOUNT


def test_an_unseen_token_has_no_chance_without_a_discount():
    model = kneser_ney.fit([0, 1, 0, 1], 2, 3, discount=0)
    assert np.isinf(model.nats([0, 2])[1])


def test_long_streams_are_scored_in_blocks_with_the_same_result(monkeypatch):
    model = kneser_ney.fit(random_stream(500), 4, VOCABULARY)
    test = random_stream(100, seed=2)
    whole = model.nats(test)
    monkeypatch.setattr(kneser_ney, "BLOCK", 7)
    assert np.array_equal(model.nats(test), whole)


def test_large_vocabularies_do_not_overflow():
    stream = random_stream(3000, vocabulary=200_000)
    model = kneser_ney.fit(stream, 6, 200_000)
    assert np.isfinite(model.nats(stream)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], 0, 3), OptionError, "at least 1"),
        (([0, 1], 3, 3), DataError, "2 tokens has no n-gram of order 3"),
        (([0, 5], 1, 3), DataError, "from 0 to 2"),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        kneser_ney.fit(*arguments)


@pytest.mark.parametrize("discount", [1.5, [0.1], [0.1, -0.1]])
def test_bad_discounts_are_refused(discount):
    with pytest.raises(OptionError, match="from 0 to 1"):
        kneser_ney.fit([0, 1, 2], 2, 3, discount=discount)
