from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from tsugiki.errors import DataError, OptionError, OutputError
from tsugiki.output import Unfinished
from tsugiki_embeddings.training import cooccurrence
from tsugiki_embeddings.training.cooccurrence import Cooccurrences, count_cooccurrences
from tsugiki_embeddings.training.counting_process import counting_processes

VOCAB = 40


def texts(seed: int = 0, count: int = 60, unknown: bool = True) -> list[np.ndarray]:
    """Texts of 0 to 29 tokens, frequent words more often, with padding and unknown words among them."""
    generator = np.random.default_rng(seed)
    share = 1 / np.arange(1, VOCAB + 1)
    tokens = generator.choice(VOCAB, size=count * 30, p=share / share.sum()).astype(np.int32)
    if not unknown:
        tokens = np.maximum(tokens, 2)
    return [tokens[30 * n : 30 * n + generator.integers(0, 30)] for n in range(count)]


def flat(sentences: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(sentences), np.cumsum([0, *map(len, sentences)])


def brute_force(sentences: list[np.ndarray], window: int, symmetric: bool = True) -> np.ndarray:
    """The definition, pair by pair, in fractions, so that no order of additions matters."""
    counts: dict[tuple[int, int], Fraction] = {}
    for sentence in sentences:
        words = [int(word) for word in sentence if word >= 2]
        for place, word in enumerate(words):
            for distance in range(1, min(window, place) + 1):
                other = words[place - distance]
                for pair in [(word, other), (other, word)][: 2 if symmetric else 1]:
                    counts[pair] = counts.get(pair, Fraction(0)) + Fraction(1, distance)
    matrix = np.zeros((VOCAB, VOCAB))
    for pair, count in counts.items():
        matrix[pair] = float(count)
    return matrix


@pytest.mark.parametrize("window", [1, 4, 10, 50])
@pytest.mark.parametrize("symmetric", [True, False])
def test_counts_are_those_of_a_brute_force_count(tmp_path, window, symmetric):
    counts = count_cooccurrences(flat(texts()), tmp_path / "x", vocab_size=VOCAB, window=window, symmetric=symmetric)
    expected = brute_force(texts(), window, symmetric)
    np.testing.assert_allclose(counts.matrix().toarray(), expected, rtol=1e-14 if window > 22 else 0)
    assert counts.tokens == sum((text >= 2).sum() for text in texts())
    assert len(counts) == np.count_nonzero(expected)


def test_windows_of_fifteen_give_the_nearest_float_of_the_exact_sum(tmp_path):
    counts = count_cooccurrences(flat(texts()), tmp_path / "x", vocab_size=VOCAB, window=15)
    assert np.array_equal(counts.matrix().toarray(), brute_force(texts(), 15))


@pytest.mark.parametrize("piece_tokens", [1, 2, 7, 100])
@pytest.mark.parametrize("streamed", [True, False])
def test_where_the_corpus_is_cut_does_not_matter(tmp_path, monkeypatch, piece_tokens, streamed):
    monkeypatch.setattr(cooccurrence, "FAN_IN", 5)  # sums of sums of runs
    sentences = texts(count=6)
    corpus = (list(text) for text in sentences) if streamed else flat(sentences)
    counts = count_cooccurrences(corpus, tmp_path / "x", vocab_size=VOCAB, window=6, piece_tokens=piece_tokens)
    assert np.array_equal(counts.matrix().toarray(), brute_force(sentences, 6))


def test_any_number_of_processes_gives_the_same_bytes(tmp_path):
    corpus = flat(texts())
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        count_cooccurrences(corpus, folder, vocab_size=VOCAB, piece_tokens=200, processes=processes)
    assert sorted(file.name for file in (tmp_path / "1").iterdir()) == [
        "columns.npy",
        "cooccurrences.json",
        "starts.npy",
        "values.npy",
    ]
    for file in (tmp_path / "1").iterdir():
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes()


def test_a_tiny_memory_limit_spills_and_gives_the_same(tmp_path, monkeypatch):
    pieces, added = [], []
    write_piece, add = cooccurrence.runs.write_piece, cooccurrence.runs._add
    monkeypatch.setattr(cooccurrence.runs, "write_piece", lambda *a: pieces.append(len(a[1])) or write_piece(*a))
    monkeypatch.setattr(cooccurrence.runs, "BYTES_PER_ENTRY", 10_000)  # so that a row is more than there is room for
    monkeypatch.setattr(cooccurrence.runs, "_add", lambda parts: added.append(len(parts)) or add(parts))
    monkeypatch.setattr(cooccurrence, "SMALLEST_PIECE", 10)
    sentences = texts(count=100)
    counts = count_cooccurrences(flat(sentences), tmp_path / "x", vocab_size=VOCAB, window=10, memory_limit=0.05)
    assert len(pieces) > 10
    assert added.count(2) > 100  # a row that is too large is added up run by run
    assert max(pieces) < 130
    assert np.array_equal(counts.matrix().toarray(), brute_force(sentences, 10))


def test_no_pair_spans_two_texts(tmp_path):
    counts = count_cooccurrences([[2, 3], [4, 5], [6]], tmp_path / "x", vocab_size=7, window=10)
    assert counts.matrix().todok().keys() == {(2, 3), (3, 2), (4, 5), (5, 4)}


def test_unknown_words_are_taken_out_before_distances_are_counted(tmp_path):
    counts = count_cooccurrences([[2, 1, 0, 3]], tmp_path / "x", vocab_size=4, window=1)
    assert counts.matrix()[2, 3] == 1


def test_a_word_beside_itself_counts_for_both_places(tmp_path):
    counts = count_cooccurrences([[2, 2, 2]], tmp_path / "x", vocab_size=3, window=2)
    assert counts.matrix()[2, 2] == 2 * (1 + 1 + 0.5)


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
def test_chunks_are_the_nonzeros_by_rows(tmp_path, size):
    counts = count_cooccurrences(flat(texts()), tmp_path / "x", vocab_size=VOCAB)
    rows, columns, values = (np.concatenate(part) for part in zip(*counts.chunks(size), strict=True))
    assert rows.dtype == columns.dtype == np.int32
    expected = brute_force(texts(), 10)
    assert np.array_equal(np.stack([rows, columns]), np.stack(np.nonzero(expected)))
    assert np.array_equal(values, expected[rows, columns])


def test_counts_are_opened_again(tmp_path):
    counts = count_cooccurrences(flat(texts()), tmp_path / "x", vocab_size=VOCAB, window=3, symmetric=False)
    again = Cooccurrences.open(tmp_path / "x")
    assert (again.vocab_size, again.window, again.symmetric) == (VOCAB, 3, False)
    assert np.array_equal(again.matrix().toarray(), counts.matrix().toarray())


def test_damaged_counts_are_refused(tmp_path):
    count_cooccurrences(flat(texts()), tmp_path / "x", vocab_size=VOCAB)
    np.save(tmp_path / "x" / "values.npy", np.ones(3))
    with pytest.raises(DataError, match="do not belong together; count the corpus again"):
        Cooccurrences.open(tmp_path / "x")
    (tmp_path / "x" / "columns.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no co-occurrence counts"):
        Cooccurrences.open(tmp_path / "x")
    with pytest.raises(DataError, match="holds no co-occurrence counts"):
        Cooccurrences.open(tmp_path / "y")


@pytest.mark.parametrize("corpus", [[], [[]], [[5]], [[2], [3]], [[1, 1, 0, 2]], (np.zeros(0, np.int32), np.zeros(1))])
def test_nothing_to_count_is_one_sentence_and_leaves_nothing(tmp_path, corpus):
    with pytest.raises(DataError, match="no two known words beside each other"):
        count_cooccurrences(corpus, tmp_path / "x", vocab_size=VOCAB)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ([[2, VOCAB]], "tokens 2 to 40, the vocabulary has 0 to 39"),
        ([[-1, 2]], "tokens -1 to 2, the vocabulary has 0 to 39"),
        ([[2.0, 3.0]], "must be whole numbers"),
        ((np.array([2, 3]), np.array([0, 1])), "must rise from 0 to the number of tokens, 2"),
        ((np.array([2, 3]), np.array([0, 2, 1, 2])), "must rise from 0 to the number of tokens, 2"),
    ],
)
def test_bad_tokens_are_refused(tmp_path, corpus, message):
    with pytest.raises(DataError, match=message):
        count_cooccurrences(corpus, tmp_path / "x", vocab_size=VOCAB)
    assert list(tmp_path.iterdir()) == []


def test_a_counting_process_that_fails_is_one_sentence(tmp_path):
    with counting_processes(2) as submit, pytest.raises(OutputError, match="another process: FileNotFoundError"):
        submit("count_piece", stem=tmp_path / "missing", vocab_size=3, window=2, symmetric=True).result()


def test_a_counting_process_that_ends_is_one_sentence(tmp_path, monkeypatch):
    ended = [sys.executable, "-c", "pass"]
    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: start(ended, **options))
    with pytest.raises(OutputError, match="ended from outside; lower memory_limit or the number of processes"):
        count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=VOCAB, processes=2)
    assert list(tmp_path.iterdir()) == []


def test_an_error_half_way_leaves_nothing(tmp_path):
    def corpus():
        yield [2, 3] * 600
        yield [2, 3, VOCAB]

    with pytest.raises(DataError, match="the vocabulary has 0 to 39"):
        count_cooccurrences(corpus(), tmp_path / "x", vocab_size=VOCAB, piece_tokens=300)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_that_does_not_fit_the_limit_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"counting 100,000,000 words with 2 processes needs at least [\d.]+ MB, "):
        count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=100_000_000, processes=2)


@pytest.mark.parametrize("option", ["window", "processes", "piece_tokens"])
def test_options_below_one_are_refused(tmp_path, option):
    with pytest.raises(OptionError, match=option):
        count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=VOCAB, **{option: 0})


def test_a_folder_that_is_there_is_not_written_over(tmp_path):
    count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=VOCAB)
    with pytest.raises(OutputError, match="exists already"):
        count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=VOCAB)


def test_what_a_killed_run_left_is_not_mixed_in(tmp_path):
    place = Unfinished(tmp_path / "x")
    place.claim(None, replace=False)
    (place.begin() / "runs").mkdir()
    (place.whole / "runs" / "000000-left.values").write_bytes(b"12345678")
    counts = count_cooccurrences([[2, 3]], tmp_path / "x", vocab_size=VOCAB)
    assert len(counts) == 2


def test_weights_are_whole_numbers_up_to_a_window_of_22():
    for window in (1, 10, 22, 23):
        weights, scale = cooccurrence.runs.distance_weights(window)
        assert np.allclose(weights / scale, 1 / np.arange(1, window + 1), rtol=1e-15)
        assert (scale == math.lcm(*range(1, window + 1))) == (window <= 22)
        assert np.array_equal(weights, weights.round()) == (window <= 22)
