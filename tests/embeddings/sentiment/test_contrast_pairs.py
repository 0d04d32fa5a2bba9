from __future__ import annotations

from collections import Counter

from tsugiki_embeddings.sentiment.contrast_pairs import QUOTED, contrast_pairs, plain
from tsugiki_embeddings.sentiment.parse_trees import parse_brackets


def test_there_are_enough_pairs_of_every_kind():
    kinds = Counter(pair.kind for pair in contrast_pairs())
    assert kinds.total() >= 60
    assert len(kinds) >= 6 and min(kinds.values()) >= 10


def test_no_sentence_stands_twice():
    sentences = [plain(side) for pair in contrast_pairs() for side in (pair.positive, pair.negative)]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence == sentence.lower() for sentence in sentences)


def test_pairs_of_order_have_the_same_words():
    for pair in contrast_pairs():
        if pair.kind == "word order":
            assert Counter(plain(pair.positive).split()) == Counter(plain(pair.negative).split())


def test_quoted_sentence_is_a_tree_over_its_words():
    assert plain(QUOTED) == "completely lacking in good taste , good service and good ambience"
    assert len(parse_brackets(QUOTED)) == 2 * len(plain(QUOTED).split()) - 1
