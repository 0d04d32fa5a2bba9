"""Skip-gram with negative sampling: gradients, learning, and the same bits whoever computes them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from tsugiki.errors import DataError, OptionError
from tsugiki.training.resumable import StateFile
from tsugiki_embeddings.training import sgns, sgns_batches
from tsugiki_embeddings.training.sgns import block_gradient, first_vectors, largest_batch, train_sgns
from tsugiki_embeddings.training.sgns_batches import Layout
from tsugiki_embeddings.words.word_tokenizer import SPECIAL

from . import sgns_script
from .sgns_script import OPTIONS, TOPICS, VOCAB_SIZE, WORDS_A_TOPIC, planted_corpus


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of 200 words, so that an epoch of a small corpus has several."""
    monkeypatch.setattr(sgns_batches, "RUN", 50)
    monkeypatch.setattr(sgns_batches, "RUNS_A_PART", 4)


def train(folder: Path, *, corpus=None, **options):
    return sgns_script.train(train_sgns, folder, corpus, **(OPTIONS | options))


def written_out_loss(rows: torch.Tensor, left: torch.Tensor, right: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The loss pair by pair, in the words of the paper."""
    total = rows.new_zeros(())
    for block in range(len(rows)):
        inputs, centres, negatives = rows[block].split([layout.inputs, layout.block, layout.shared])
        for place, centre in enumerate(centres):
            for offset in range(-int(left[block, place]), int(right[block, place]) + 1):
                if offset == 0:
                    continue
                vector = inputs[layout.window + place + offset]
                total = total - F.logsigmoid(vector @ centre)
                total = total - layout.negatives / layout.shared * F.logsigmoid(-(negatives @ vector)).sum()
    return total


@pytest.mark.parametrize("layout", [Layout(3, 5, 6, 4, 2), Layout(1, 2, 1, 3, 2), Layout(5, 5, 2, 1, 2)])
def test_gradient_is_that_of_the_written_out_loss(layout):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2, layout.rows, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    left, right = torch.randint(0, layout.window + 1, (2, 2, layout.block), generator=generator, dtype=torch.int8)
    expected = written_out_loss(rows, left, right, layout)
    (expected_gradient,) = torch.autograd.grad(expected, rows)
    gradient, loss = block_gradient(rows.detach(), left, right, layout)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


def test_a_step_moves_each_row_by_the_sum_over_its_places():
    """Against one dense gradient step on the written-out loss, rows that stand in several blocks included."""
    from accelerate import Accelerator

    layout = Layout(2, 3, 4, 3, 6)
    batches = sgns_batches.SkipGramBatches(
        sgns_batches.Corpus(*planted_corpus(), VOCAB_SIZE), layout, sample=0.0, exponent=0.75, seed=0, epochs=1
    )
    step = batches.steps(0, 0)[0]
    table = torch.randn(2 * VOCAB_SIZE, 5, generator=torch.Generator().manual_seed(1))
    leaf = table.double().requires_grad_()
    loss = written_out_loss(leaf[step.rows], torch.from_numpy(step.left), torch.from_numpy(step.right), layout)
    loss.backward()
    for rate in (1e-3, 1e3):  # as small as it is in a training, and so large that every vector is held back
        expected = (
            leaf.detach() - rate * leaf.grad * (sgns.FARTHEST / (rate * leaf.grad.norm(dim=1))).clamp(max=1)[:, None]
        )
        moved = table.clone()
        sgns.train_step(moved, step, layout, rate, Accelerator(cpu=True))
        torch.testing.assert_close(moved.double(), expected.nan_to_num(), rtol=1e-4, atol=1e-4)


def test_loss_of_untrained_vectors_is_that_of_fair_coins(tmp_path):
    """Output vectors begin at zero, so every pair costs log 2 and so does each of its five negatives."""
    _, result = train(tmp_path, learning_rate=1e-9, min_learning_rate=0.0)
    assert [entry["loss"] for entry in result.history] == pytest.approx([6 * np.log(2)] * 2, rel=1e-5)


def test_words_of_a_topic_become_neighbours(tmp_path):
    matrix, result = train(tmp_path, epochs=8, learning_rate=0.05)
    losses = [entry["loss"] for entry in result.history]
    assert losses[-1] < losses[0]
    vectors = matrix[SPECIAL:] / np.linalg.norm(matrix[SPECIAL:], axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    topics = np.repeat(np.arange(TOPICS), WORDS_A_TOPIC)
    nearest = similarity.argsort(1)[:, -5:]
    assert (topics[nearest] == topics[:, None]).mean() > 0.95
    assert not matrix[:SPECIAL].any()


def test_same_bits_for_any_number_of_loading_workers(tmp_path):
    results = [train(tmp_path / str(workers), workers=workers) for workers in (0, 1, 3)]
    for matrix, result in results[1:]:
        assert np.array_equal(matrix, results[0][0])
        assert result.history == results[0][1].history
    assert not np.array_equal(train(tmp_path / "seed", seed=4)[0], results[0][0])


@pytest.mark.two_processes(job=sgns_script.train_and_save)
def test_two_processes_give_what_one_gives(made_by_two, tmp_path):
    record = json.loads((made_by_two / "result.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sgns_batches, "RUN", 1000)  # the two cut the corpus as everybody does
        patch.setattr(sgns_batches, "RUNS_A_PART", 256)
        matrix, one = train(tmp_path)
    assert (record["processes"], one.processes) == (2, 1)
    assert record["steps"] == one.steps
    assert [entry["loss"] for entry in record["history"]] == pytest.approx([e["loss"] for e in one.history], rel=1e-5)
    np.testing.assert_allclose(load_file(made_by_two / "vectors.safetensors")["matrix"], matrix, rtol=1e-4, atol=1e-5)


def test_a_run_that_was_killed_continues_with_the_same_result(tmp_path, monkeypatch):
    expected, whole = train(tmp_path / "whole", epochs=3)
    write = StateFile.write

    def write_and_die(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(StateFile, "write", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", epochs=3)
    monkeypatch.setattr(StateFile, "write", write)
    matrix, resumed = train(tmp_path / "broken", epochs=3, workers=1)
    assert np.array_equal(matrix, expected)
    assert (resumed.history, resumed.steps) == (whole.history, whole.steps)
    again, _ = train(tmp_path / "broken", epochs=3)
    assert np.array_equal(again, expected)


def test_a_run_with_other_options_is_not_continued(tmp_path):
    train(tmp_path, epochs=1)
    with pytest.raises(OptionError, match="other options or other data; remove it"):
        train(tmp_path, epochs=2)


def test_the_commonest_word_bounds_the_batch():
    counts = np.array([0, 0, 50, 25, 25])
    assert largest_batch(counts, sample=0.0) == 2 * sgns.HITS
    assert largest_batch(np.ones(10**6, np.int64), sample=0.0) == sgns.LARGEST_BATCH


def test_vectors_begin_as_in_word2vec():
    table = first_vectors(2000, 50, seed=0)
    assert table[:SPECIAL].abs().max() == table[2000:].abs().max() == 0
    assert table.abs().max() <= 0.01
    assert float(table[SPECIAL:2000].std()) == pytest.approx(0.01 / np.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "the corpus holds 0 different words"),
        ([1, 1, 0], "the corpus holds 0 different words"),
        ([5, 5, 5], "the corpus holds 1 different words"),
        ([5, VOCAB_SIZE], f"the corpus holds the number {VOCAB_SIZE}"),
    ],
)
def test_a_corpus_without_two_words_is_one_error(tmp_path, tokens, message):
    with pytest.raises(DataError, match=message):
        train(tmp_path, corpus=(np.array(tokens, np.int32), np.array([0, len(tokens)])))


def test_words_that_never_stand_together_are_one_error(tmp_path):
    with pytest.raises(DataError, match="no two words of the corpus are left beside each other"):
        train(tmp_path, corpus=(np.array([2, 3, 4], np.int32), np.arange(4)))


def test_a_vocabulary_beyond_memory_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sgns.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(DataError, match=r"62 words in 12 dimensions need 0.0 GB, and 0.0 GB are free on cpu"):
        train(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be a whole number of at least 1, not 0"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"sample": 1.5}, "below 1, not 1.5"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number of at least 0, not nan"),
        ({"batch_words": 0}, "batch_words must be a whole number of at least 1"),
        ({"block_words": 120}, "at most 127, not 120"),
        ({"windw": 3}, "'windw' is unknown to the method 'sgns'.*Did you mean 'window'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(tmp_path, **options)


def test_the_same_word_over_and_over_does_not_send_its_vector_off(tmp_path):
    """As in posts with encoded attachments: hundreds of pairs of one word with itself in one step."""
    tokens, offsets = planted_corpus()
    garbage = np.full(3000, SPECIAL + 1, np.int32)
    corpus = np.concatenate([tokens, garbage]), np.append(offsets, offsets[-1] + len(garbage))
    matrix, _ = train(tmp_path, corpus=corpus, learning_rate=0.05, window=10, negatives=10, epochs=3)
    assert np.isfinite(matrix).all()
    assert np.linalg.norm(matrix, axis=1).max() < 20


def test_a_diverging_run_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sgns, "train_step", lambda *given: torch.tensor(float("nan")))
    with pytest.raises(DataError, match="take a lower learning_rate"):
        train(tmp_path)
