"""word2vec through gensim: the vectors are gensim's, in the order of our vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gensim.models import Word2Vec
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import text_table
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.training.gensim_training import LONGEST_SENTENCE, NumberedSentences, train_gensim
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel
from tsugiki_embeddings.words.word_tokenizer import SPECIAL

from .sgns_script import TOPICS, VOCAB_SIZE, WORDS_A_TOPIC, planted_corpus

OPTIONS = {"seed": 3, "sample": 0.0}


def train(corpus=None, *, vocab_size: int = VOCAB_SIZE, **options) -> np.ndarray:
    model = WordVectorsModel(WordVectorsConfig(vocab_size=vocab_size, hidden_size=12))
    table = text_table(corpus or planted_corpus())
    train_gensim(model, TrainingJob(table, Path("unused"), {**OPTIONS, **options}, progress=False))
    return model.embeddings.weight.detach().numpy()


@pytest.mark.parametrize(
    "options", [{"sg": 1}, {"sg": 0}, {"sg": 1, "hs": 1, "negative": 0}, {"sg": 0, "cbow_mean": 0}]
)
def test_vectors_are_those_of_gensim_on_the_same_sentences(options):
    counts = np.arange(10, 10 + VOCAB_SIZE - SPECIAL)  # all different: gensim orders words by their counts
    tokens = np.random.default_rng(0).permutation(np.repeat(np.arange(SPECIAL, VOCAB_SIZE), counts)).astype(np.int32)
    offsets = np.append(np.arange(0, len(tokens), 12), len(tokens))
    matrix = train((tokens, offsets), **options)
    sentences = [[str(token) for token in sentence] for sentence in np.split(tokens, offsets[1:-1])]
    expected = Word2Vec(sentences, vector_size=12, seed=3, sample=0, min_count=1, workers=1, **options)
    assert not matrix[:SPECIAL].any()
    theirs = np.stack([expected.wv[str(number)] for number in range(SPECIAL, VOCAB_SIZE)])
    np.testing.assert_array_equal(matrix[SPECIAL:], theirs)


def test_words_of_a_topic_become_neighbours():
    matrix = train(epochs=40, alpha=0.05)[SPECIAL:]
    vectors = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    topics = np.repeat(np.arange(TOPICS), WORDS_A_TOPIC)
    assert (topics[similarity.argmax(1)] == topics).mean() > 0.9


def test_words_that_do_not_occur_have_no_vector():
    matrix = train(vocab_size=VOCAB_SIZE + 5)
    assert not matrix[VOCAB_SIZE:].any()
    assert matrix[SPECIAL:VOCAB_SIZE].any(1).all()


def test_same_seed_same_bits_with_one_worker():
    assert np.array_equal(train(), train())


def test_long_texts_are_cut_instead_of_dropped():
    tokens = np.full(LONGEST_SENTENCE + 7, 2, np.int32)
    tokens[3] = 1
    pieces = list(NumberedSentences(tokens, np.array([0, len(tokens)]), ["", "", "2"]))
    assert [len(piece) for piece in pieces] == [LONGEST_SENTENCE, 6]
    assert set(pieces[1]) == {"2"}


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([], "holds 0 diff"), ([1, 0], "holds 0 diff"), ([5, 5], "holds 1 diff"), ([2, 999], "the number 999")],
)
def test_a_corpus_without_two_words_is_one_error(tokens, message):
    with pytest.raises(DataError, match=message):
        train((np.array(tokens, np.int32), np.array([0, len(tokens)])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negative": 0}, "hierarchical softmax or negative sampling"),
        ({"window": 0}, "window must be a whole number of at least 1, not 0"),
        ({"workers": 0}, "workers must be a whole number of at least 1"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        train(**options)
