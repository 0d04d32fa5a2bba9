from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mittens.np_mittens import GloVe as MittensGloVe
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import text_table
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.resumable import STATE
from tsugiki_embeddings.training import glove, glove_batches
from tsugiki_embeddings.training.cooccurrence import Cooccurrences, count_cooccurrences
from tsugiki_embeddings.training.glove import GloVeTable, Weighting, train_glove
from tsugiki_embeddings.training.glove_batches import sort_entries
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel

WEIGHTING = Weighting(x_max=10.0)


def corpus(vocab_size: int, tokens: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Words in texts of 100, the frequent more often, near words alike."""
    generator = np.random.default_rng(seed)
    share = 1 / np.arange(2, vocab_size)
    topic = np.repeat(generator.random(tokens // 20 + 1), 20)[:tokens]
    words = generator.choice(vocab_size - 2, size=tokens, p=share / share.sum())
    words = (words + (topic * 5).astype(int) * (words % 3)) % (vocab_size - 2) + 2
    return words.astype(np.int32), np.append(np.arange(0, tokens, 100), tokens)


def counted(folder: Path, vocab_size: int = 60, tokens: int = 1500, window: int = 5) -> Cooccurrences:
    return count_cooccurrences(corpus(vocab_size, tokens), folder, vocab_size=vocab_size, window=window)


class EntryByEntry:
    """The paper's model by AdaGrad as the authors run it: one entry after the other, in float64."""

    def __init__(self, table: GloVeTable, x_max: float, learning_rate: float = 0.05) -> None:
        start = table.parameters()
        self.words = np.hstack([start.words.numpy(), start.word_biases[:, None].numpy()]).astype(np.float64)
        self.contexts = np.hstack([start.contexts.numpy(), start.context_biases[:, None].numpy()]).astype(np.float64)
        self.word_squares, self.context_squares = np.ones_like(self.words), np.ones_like(self.contexts)
        self.x_max, self.learning_rate = x_max, learning_rate

    def step(self, i: int, j: int, x: float) -> None:
        e, theta = self.words[i], self.contexts[j]
        error = e[:-1] @ theta[:-1] + e[-1] + theta[-1] - np.log(x)
        scale = self.learning_rate * min(1.0, (x / self.x_max) ** 0.75) * error
        for_word, for_context = scale * theta, scale * e
        for_word[-1] = for_context[-1] = scale
        e -= for_word / np.sqrt(self.word_squares[i])
        theta -= for_context / np.sqrt(self.context_squares[j])
        self.word_squares[i] += for_word**2
        self.context_squares[j] += for_context**2

    def loss(self, counts: np.ndarray) -> float:
        predicted = self.words[:, :-1] @ self.contexts[:, :-1].T + self.words[:, -1:] + self.contexts[:, -1]
        known = counts > 0
        errors = predicted[known] - np.log(counts[known])
        return float((np.minimum(1, (counts[known] / self.x_max) ** 0.75) * errors**2).sum())


def train(table: GloVeTable, batches: glove_batches.GloVeBatches, epoch: int, seed: int = 0) -> float:
    return float(sum(table.train_group(group, WEIGHTING, 0.05) for group in batches.epoch(seed, epoch)))


def test_batches_hold_every_entry_once_and_no_word_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(glove_batches, "GROUP", 300)
    counts = counted(tmp_path / "counts")
    batches = sort_entries(counts, tmp_path / "sorted", seed=3, memory_limit=100)
    matrix = np.zeros((60, 60), np.float32)
    taken = 0
    for group in batches.epoch(0, 0):
        for first, last in group.batches:
            words, contexts = group.words[first:last], group.contexts[first:last]
            assert len(np.unique(words)) == len(np.unique(contexts)) == last - first > 0
            matrix[words, contexts] += group.counts[first:last]
            taken += last - first
    assert taken == len(counts) == len(batches)
    assert np.array_equal(matrix, counts.matrix().toarray().astype(np.float32))


def test_every_epoch_has_an_order_of_its_own_that_follows_from_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(glove_batches, "GROUP", 300)
    batches = sort_entries(counted(tmp_path / "counts"), tmp_path / "sorted", seed=3, memory_limit=100)

    def order(seed: int, epoch: int) -> list[int]:
        return [int(group.words[first]) for group in batches.epoch(seed, epoch) for first, _ in group.batches]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert batches.groups() > 3


def test_sorting_in_little_memory_gives_the_same_file(tmp_path, monkeypatch):
    counts = counted(tmp_path / "counts")
    whole = sort_entries(counts, tmp_path / "whole", seed=0, memory_limit=100)
    monkeypatch.setattr(glove_batches, "GROUP", 100)
    parts = sort_entries(counts, tmp_path / "parts", seed=0, memory_limit=0.01)
    assert whole.file.read_bytes() == parts.file.read_bytes()
    assert {file.name for file in (tmp_path / "parts").iterdir()} == {"entries.bin", "starts.npy"}


def test_batches_are_single_steps_in_a_row(tmp_path):
    counts = counted(tmp_path / "counts")
    batches = sort_entries(counts, tmp_path / "sorted", seed=0, memory_limit=100)
    table = GloVeTable.first(60, 7, seed=1)
    single = EntryByEntry(table, x_max=10.0)
    for group in batches.epoch(0, 0):
        for first, last in group.batches:
            for entry in range(first, last):
                single.step(group.words[entry], group.contexts[entry], group.counts[entry])
    train(table, batches, 0)
    parameters = table.parameters()
    np.testing.assert_allclose(parameters.words, single.words[:, :-1], atol=1e-5)
    np.testing.assert_allclose(parameters.contexts, single.contexts[:, :-1], atol=1e-5)
    np.testing.assert_allclose(parameters.word_biases, single.words[:, -1], atol=1e-5)
    np.testing.assert_allclose(parameters.context_biases, single.contexts[:, -1], atol=1e-5)


def test_loss_after_each_pass_is_that_of_entry_by_entry_adagrad_in_another_order(tmp_path):
    vocab_size = 200  # benchmarks/glove_against_reference.py does it with 2,000 words
    counts = counted(tmp_path / "counts", vocab_size, tokens=400)
    batches = sort_entries(counts, tmp_path / "sorted", seed=0, memory_limit=100)
    table = GloVeTable.first(vocab_size, 10, seed=1)
    single = EntryByEntry(table, x_max=10.0)
    matrix = counts.matrix().toarray()
    rows, columns = matrix.nonzero()
    for epoch in range(25):
        train(table, batches, epoch)
        for entry in np.random.default_rng(epoch).permutation(len(rows)):
            single.step(rows[entry], columns[entry], matrix[rows[entry], columns[entry]])
        assert table.parameters().loss(counts, WEIGHTING) == pytest.approx(single.loss(matrix), rel=0.01)


def test_loss_is_twice_that_of_mittens_which_halves_the_squares(tmp_path):
    counts = counted(tmp_path / "counts")
    table = GloVeTable.first(60, 8, seed=0)
    table.train_group(next(sort_entries(counts, tmp_path / "s", seed=0, memory_limit=9).epoch(0, 0)), WEIGHTING, 0.05)
    ours = table.parameters()
    theirs = MittensGloVe(n=8, xmax=10, alpha=0.75, max_iter=1, test_mode=True, display_progress=0)
    start = {"W": ours.words, "C": ours.contexts, "bw": ours.word_biases[:, None], "bc": ours.context_biases[:, None]}
    start = {name: tensor.double().numpy().copy() for name, tensor in start.items()}
    theirs.fit(counts.matrix().toarray(), fixed_initialization=start)
    assert ours.loss(counts, WEIGHTING) == pytest.approx(2 * theirs.errors[0], rel=1e-9)


def test_loss_of_a_pass_is_that_of_every_entry_before_its_own_step(tmp_path):
    counts = counted(tmp_path / "counts")
    batches = sort_entries(counts, tmp_path / "sorted", seed=0, memory_limit=100)
    table = GloVeTable.first(60, 7, seed=1)
    still = sum(float(table.train_group(group, WEIGHTING, 0.0)) for group in batches.epoch(0, 0))
    assert still == pytest.approx(table.parameters().loss(counts, WEIGHTING), rel=1e-5)
    assert train(table, batches, 0) < still


def test_weights_rise_to_one_as_in_the_paper():
    weights = Weighting(x_max=100.0)(torch.tensor([1.0, 50.0, 100.0, 1000.0], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([100**-0.75, 0.5**0.75, 1.0, 1.0], dtype=torch.float64))


def test_the_ones_of_the_table_stay_ones(tmp_path):
    batches = sort_entries(counted(tmp_path / "counts"), tmp_path / "sorted", seed=0, memory_limit=100)
    table = GloVeTable.first(60, 7, seed=1)
    train(table, batches, 0)
    assert (table.values[:60, 8] == 1).all()
    assert (table.values[60:, 7] == 1).all()
    assert table.values[:60, 7].std() > 0.1


class SharedSum:
    """What `Accelerator.reduce` does for two processes, for two threads."""

    num_processes = 2

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.held: dict[int, torch.Tensor] = {}

    def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
        self.held[threading.get_ident()] = tensor
        self.barrier.wait()
        total = sum(self.held[name] for name in sorted(self.held))
        self.barrier.wait()
        return total


def test_two_processes_with_some_columns_each_give_what_one_gives(tmp_path):
    batches = sort_entries(counted(tmp_path / "counts"), tmp_path / "sorted", seed=0, memory_limit=100)
    whole = GloVeTable.first(60, 7, seed=1)
    shared, losses = SharedSum(), {}
    parts = [whole.part(first, last, torch.device("cpu")) for first, last in [(0, 5), (5, 9)]]

    def run(number: int) -> None:
        groups = batches.epoch(0, 0)
        losses[number] = float(sum(parts[number].train_group(group, WEIGHTING, 0.05, shared) for group in groups))

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loss = train(whole, batches, 0)
    assert losses[0] == losses[1] == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(torch.cat([part.values for part in parts], 1), whole.values, atol=1e-5, rtol=0)


def trained(folder: Path, *, texts=None, dimension: int = 6, **options) -> tuple[np.ndarray, FitResult]:
    model = WordVectorsModel(WordVectorsConfig(vocab_size=40, hidden_size=dimension))
    arguments = {"seed": 0, "x_max": 10.0, "device": "cpu", "epochs": 4, **options}
    result = train_glove(model, TrainingJob(text_table(texts or corpus(40, 600)), folder, arguments, progress=False))
    return model.embeddings.weight.detach().numpy(), result


def test_same_seed_gives_the_same_bits(tmp_path):
    (one, first), (two, second) = trained(tmp_path / "1"), trained(tmp_path / "2")
    assert np.array_equal(one, two)
    assert first.history == second.history
    assert not np.array_equal(one, trained(tmp_path / "3", seed=1)[0])
    assert one.shape == (40, 6)
    assert one.dtype == np.float32
    assert (one[:2] == 0).all()
    assert [entry["epoch"] for entry in first.history] == [1, 2, 3, 4]
    losses = [entry["loss"] for entry in first.history]
    assert losses == sorted(losses, reverse=True)


def test_a_run_that_was_killed_ends_as_an_unbroken_one(tmp_path, monkeypatch):
    expected, unbroken = trained(tmp_path / "unbroken")
    train_group = GloVeTable.train_group
    calls = []

    def killed(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train_group(self, *args, **kwargs)

    monkeypatch.setattr(GloVeTable, "train_group", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed")
    assert (tmp_path / "killed" / STATE).is_file()
    monkeypatch.setattr(glove, "count_cooccurrences", None)  # the counts are still there
    matrix, resumed = trained(tmp_path / "killed")
    assert len(calls) == 5
    assert np.array_equal(matrix, expected)
    assert resumed.history == unbroken.history
    assert resumed.steps == unbroken.steps
    assert np.array_equal(trained(tmp_path / "killed")[0], expected)  # nothing is left to do


def test_a_run_with_other_options_is_not_continued(tmp_path):
    trained(tmp_path, epochs=1)
    with pytest.raises(OptionError, match="other options or other data; remove it"):
        trained(tmp_path, learning_rate=0.1)


def test_vectors_are_the_mean_of_both_sides(tmp_path):
    parameters = GloVeTable.first(5, 3, seed=0).parameters()
    torch.testing.assert_close(parameters.vectors, (parameters.words + parameters.contexts) / 2)
    assert parameters.words.abs().max() <= 0.5 / 3


@pytest.mark.parametrize("words", [[], [0, 1, 1], [5, 5, 5, 1]])
def test_fewer_than_two_words_are_refused(tmp_path, words):
    with pytest.raises(DataError, match="different words of the vocabulary; vectors need at least two"):
        trained(tmp_path, texts=(np.array(words, np.int32), np.array([0, len(words)])))
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_do_not_fit_the_memory_limit_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"300 numbers for each of 40 words take 0 MB to train, memory_limit is 0\.1"):
        trained(tmp_path, dimension=300, memory_limit=0.1)


@pytest.mark.parametrize("name", ["x_max", "exponent", "learning_rate", "memory_limit"])
def test_options_that_are_not_above_zero_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match=f"{name} must be a number above 0, not 0"):
        trained(tmp_path, **{name: 0})


@pytest.mark.parametrize("name", ["epochs", "window", "counting_processes"])
def test_numbers_below_one_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match=f"{name} must be a whole number of at least 1, not 0"):
        trained(tmp_path, **{name: 0})
