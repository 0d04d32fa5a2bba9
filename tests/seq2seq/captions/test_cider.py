"""CIDEr-D and BLEU of captions, against pycocoevalcap and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tsugiki_seq2seq.captions.caption_scores import (
    CiderD,
    bleu_counts,
    bleu_of,
    caption_words,
    consensus_caption,
    plain_caption,
)

WORDS = ("a", "the", "dog", "cat", "man", "runs", "sits", "on", "grass", "two", "in", "ball", "with", "and", "jumps")


def random_captions(pictures: int, each: int, *, seed: int = 0, words: int = len(WORDS)) -> list[list[str]]:
    """Sentences of 1 to 14 words out of so many, so that n-grams repeat and captions share some."""
    generator = np.random.default_rng(seed)
    return [
        [" ".join(generator.choice(WORDS[:words], generator.integers(1, 15))) for _ in range(each)]
        for _ in range(pictures)
    ]


def test_cider_equals_pycocoevalcap() -> None:
    scorer = pytest.importorskip("pycocoevalcap.cider.cider_scorer")
    references, written = random_captions(60, 5), [texts[0] for texts in random_captions(60, 1, seed=1)]
    written[:3] = [references[0][2], "the the the the the dog", "unknown words only"]
    theirs = scorer.CiderScorer(n=4, sigma=6.0)
    for text, texts in zip(written, references, strict=True):
        theirs += (text, texts)
    mean, rows = theirs.compute_score()
    cider = CiderD(references)
    ours = [cider.score(text, texts) for text, texts in zip(written, references, strict=True)]
    np.testing.assert_allclose(ours, rows, rtol=1e-9, atol=1e-12)
    assert np.mean(ours) == pytest.approx(mean)


def test_bleu_equals_pycocoevalcap() -> None:
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    references = random_captions(60, 5, words=5)
    written = [texts[0] for texts in random_captions(60, 1, seed=1, words=5)]
    theirs = scorer.BleuScorer(n=4)
    for text, texts in zip(written, references, strict=True):
        theirs += (text, texts)
    expected, _ = theirs.compute_score(option="closest", verbose=0)
    counts = np.sum([bleu_counts(text, texts) for text, texts in zip(written, references, strict=True)], axis=0)
    np.testing.assert_allclose([bleu_of(counts, order) / 100 for order in (1, 2, 3, 4)], expected, rtol=1e-6)


def test_cider_of_a_small_case_by_its_formula() -> None:
    # Two pictures: "dog" and "runs" and "dog runs" are in one of them (weight ln 2), "a" is in both (weight 0).
    cider = CiderD([["a dog runs"], ["a cat"]])
    assert cider.documents[("a",)] == 2
    assert cider.documents[("dog", "runs")] == 1
    weight = math.log(2)
    unigrams = weight * weight / (weight * math.sqrt(2) * weight)  # "dog" of "dog", "runs"
    bigrams = weight * weight / (weight * math.sqrt(2) * weight)  # "a dog" of "a dog", "dog runs"
    expected = 10 / 4 * (unigrams + bigrams) * math.exp(-1 / (2 * 36))
    assert cider.score("a dog", ["a dog runs"]) == pytest.approx(expected)


def test_a_caption_among_its_references_scores_highest_and_one_of_other_words_nothing() -> None:
    references = [["a red ball on grass"], ["two dogs in water here"], ["one boy with an apple"]]
    cider = CiderD(references)
    assert cider.score("a red ball on grass", references[0]) == pytest.approx(10)
    assert cider.score("two dogs in water here", references[0]) == 0
    assert cider.score("", references[0]) == 0


def test_words_are_lower_case_without_punctuation() -> None:
    assert caption_words('A dog\'s ball , "red" -- well-known .') == ["a", "dog's", "ball", "red", "well-known"]
    assert plain_caption(" The END. ") == "the end"


def test_consensus_is_the_caption_that_most_others_resemble() -> None:
    candidates = ["two cats", "a dog runs on grass", "a dog runs on the grass", "dog runs on grass"]
    assert consensus_caption(candidates, CiderD([candidates, ["a boy"], ["the sea"]])) == "a dog runs on grass"
    assert consensus_caption(["alone"], CiderD([["alone"]])) == "alone"
