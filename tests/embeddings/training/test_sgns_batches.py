"""What skip-gram trains on: pairs, thinning and noise, against brute force and gensim's own tables."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from gensim.models import Word2Vec
from tsugiki_embeddings.training import sgns_batches
from tsugiki_embeddings.training.sgns_batches import (
    Corpus,
    Layout,
    SkipGramBatches,
    extents,
    keep_probabilities,
    noise_distribution,
)

from .sgns_script import VOCAB_SIZE, planted_corpus

COUNTS = np.array([0, 0, 900, 400, 100, 30, 6, 1])


def gensim_vocabulary(sample: float = 0.0) -> Word2Vec:
    model = Word2Vec(vector_size=2, min_count=1, sample=sample, negative=5)
    model.build_vocab_from_freq({str(number): int(count) for number, count in enumerate(COUNTS) if count})
    return model


def batches(window: int = 2, sample: float = 0.0, seed: int = 0) -> SkipGramBatches:
    corpus = Corpus(*planted_corpus(600), VOCAB_SIZE)
    return SkipGramBatches(corpus, Layout(window, 5, 8, 8, 5), sample=sample, exponent=0.75, seed=seed, epochs=2)


def pairs(made: SkipGramBatches, epoch: int = 0) -> Counter[tuple[int, int, int]]:
    """(input word, centre word, distance) of an epoch, read back from its blocks."""
    found: Counter[tuple[int, int, int]] = Counter()
    window = made.layout.window
    for step in (step for part in made.epoch(epoch) for step in part):
        inputs, centres = step.rows[:, : made.layout.inputs], step.rows[:, made.layout.inputs :] - VOCAB_SIZE
        for block, place in np.ndindex(step.left.shape):
            for offset in range(-step.left[block, place], step.right[block, place] + 1):
                if offset:
                    found[int(inputs[block, window + place + offset]), int(centres[block, place]), offset] += 1
        assert step.pairs == step.left.sum() + step.right.sum()
    return found


def neighbours(distance: int) -> Counter[tuple[int, int, int]]:
    """The same for every two words of a text so far apart, by brute force."""
    tokens, offsets = planted_corpus(600)
    found: Counter[tuple[int, int, int]] = Counter()
    for start, end in pairwise(offsets):
        words = [int(token) for token in tokens[start:end] if token > 1]
        for first, second in zip(words, words[distance:], strict=False):
            found[second, first, distance] += 1
            found[first, second, -distance] += 1
    return found


def test_an_epoch_holds_every_pair_of_neighbours_once():
    assert pairs(batches(window=1)) == neighbours(1)


def test_small_parts_hold_the_same_pairs_in_another_order(monkeypatch):
    monkeypatch.setattr(sgns_batches, "RUN", 50)
    monkeypatch.setattr(sgns_batches, "RUNS_A_PART", 4)
    made = batches(window=1)
    assert made.corpus.parts > 10
    assert pairs(made) == pairs(made, epoch=1) == neighbours(1)
    first, second = (next(made.epoch(epoch))[0].rows for epoch in (0, 1))
    assert not np.array_equal(first, second)


def test_windows_are_uniform_from_one_to_the_largest():
    """A word at distance d is inside a window drawn from 1 to W with probability (W - d + 1) / W."""
    found = pairs(batches(window=4))
    for distance in (1, 2, 3, 4):
        possible = neighbours(distance).total()
        drawn = sum(count for (_, _, offset), count in found.items() if abs(offset) == distance)
        expected = (4 - distance + 1) / 4
        deviation = np.sqrt(2 * expected * (1 - expected) / possible)  # a window decides over two pairs
        assert drawn / possible == pytest.approx(expected, abs=4 * deviation + 1e-12)


def test_long_texts_are_cut(monkeypatch):
    monkeypatch.setattr(sgns_batches, "LONGEST_SENTENCE", 10)
    tokens, _ = planted_corpus(600)
    one = Corpus(tokens, np.array([0, len(tokens)]), VOCAB_SIZE)
    made = SkipGramBatches(one, Layout(1, 5, 8, 8, 5), sample=0.0, exponent=0.75, seed=0, epochs=1)
    words = int((tokens > 1).sum())
    assert pairs(made).total() == 2 * (words - -(-words // 10))


def test_extents_stay_inside_the_sentence():
    left, right = extents(np.array([7, 7, 7, 2, 2, 9], np.int32), np.array([1, 2, 2, 2, 2, 2], np.int8))
    assert left.tolist() == [0, 1, 2, 0, 1, 0]
    assert right.tolist() == [1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("sample", [0.01, 1e-3, 0.2])
def test_keep_probabilities_are_those_of_gensim(sample):
    model = gensim_vocabulary(sample)
    for number, probability in enumerate(keep_probabilities(COUNTS, sample)):
        if COUNTS[number]:
            expected = model.wv.get_vecattr(str(number), "sample_int") / (2**32 - 1)
            assert probability == pytest.approx(expected, rel=1e-6)


def test_words_are_kept_as_often_as_the_formula_says():
    sample = 2e-3
    made = batches(window=1, sample=sample)
    counts = made.corpus.counts
    kept = np.zeros(VOCAB_SIZE)
    epochs = 20
    for epoch in range(epochs):
        for step in (step for part in made.epoch(epoch) for step in part):
            paired = (step.left > 0) | (step.right > 0)
            centres = step.rows[:, made.layout.inputs : made.layout.inputs + made.layout.block] - VOCAB_SIZE
            np.add.at(kept, centres[paired], 1)
    probability = keep_probabilities(counts, sample)
    # a word that is left alone in its sentence has no pair and is not counted, so the share is a little lower
    share = kept[2:].sum() / (epochs * (counts * probability)[2:].sum())
    assert 0.9 < share <= 1.01
    ratio = kept[2:] / (epochs * counts[2:])
    assert np.corrcoef(ratio, probability[2:])[0, 1] > 0.5


def test_noise_is_that_of_gensim():
    table = gensim_vocabulary().cum_table / (2**31 - 1)
    noise = noise_distribution(COUNTS)
    assert noise[:2].tolist() == [0, 0]
    np.testing.assert_allclose(noise[2:].cumsum(), table, atol=1e-8)


def test_negatives_are_drawn_from_the_noise():
    made = batches()
    drawn = np.zeros(VOCAB_SIZE)
    for epoch in range(4):
        for step in (step for part in made.epoch(epoch) for step in part):
            negatives = step.rows[:, made.layout.inputs + made.layout.block :] - VOCAB_SIZE
            drawn += np.bincount(negatives.ravel(), minlength=VOCAB_SIZE)
    noise = noise_distribution(made.corpus.counts)
    expected = drawn.sum() * noise
    chi_square = ((drawn - expected)[2:] ** 2 / expected[2:]).sum()
    freedom = VOCAB_SIZE - 3
    assert chi_square < freedom + 5 * np.sqrt(2 * freedom)
    assert not drawn[:2].any()


def test_order_sums_each_row_of_the_table():
    step = next(batches().epoch(0))[0]
    values = np.random.default_rng(0).normal(size=step.rows.size)
    sums = np.add.reduceat(values[step.order], step.starts)
    expected = np.bincount(step.rows.ravel(), values, minlength=2 * VOCAB_SIZE)
    np.testing.assert_allclose(sums, expected[step.unique], atol=1e-12)
    assert step.unique.tolist() == sorted(set(step.rows.ravel().tolist()))


def test_progress_rises_from_zero_to_one():
    made = batches()
    progress = [step.progress for epoch in (0, 1) for part in made.epoch(epoch) for step in part]
    assert progress[0] == 0
    assert progress == sorted(progress)
    assert progress[-1] < 1


def test_an_error_in_a_worker_reaches_the_caller(monkeypatch):
    made = batches()

    def broken(epoch: int, part: int) -> list:
        raise RuntimeError("broken")

    monkeypatch.setattr(made, "steps", broken)
    with pytest.raises(RuntimeError, match="broken"):
        list(made.epoch(0, workers=2))
