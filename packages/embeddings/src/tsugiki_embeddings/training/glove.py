"""GloVe (Pennington, Socher and Manning 2014, GloVe: Global vectors for word representation).

The product of a word's vector and a context word's vector, with a bias for each, shall be the logarithm of their
co-occurrence count X_ij:

    J = sum over X_ij > 0 of f(X_ij) (e_i . theta_j + b_i + b'_j - log X_ij)^2,    f(x) = min(1, (x / x_max)^0.75)

It is learnt by AdaGrad, an entry at a time, as the authors' program does it: the learning rate stands inside the
accumulators, which begin at 1, so that a step is lr g / sqrt(1 + sum of earlier (lr g)^2), with g half the gradient of
the entry's term. Entries that share no word are taken together (`glove_batches`), which changes nothing. A word's
published vector is (e + theta) / 2.

With several processes each holds some dimensions of all vectors; all they exchange is their part of each product.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError
from tsugiki.output import discard
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number, whole
from tsugiki.training.resumable import STATE, StateFile

from ..vectors.word_vectors_model import WordVectorsModel
from ..words.word_counts import word_counts
from .cooccurrence import MEGABYTE, Cooccurrences, count_cooccurrences
from .glove_batches import GloVeBatches, Group, sort_entries

COPIES = 4  # of all parameters at once: values and accumulators, and both again while a checkpoint is written


@dataclass(frozen=True)
class Weighting:
    """f of the paper (equation 9), which lets rare counts count less.

    Attributes:
        x_max: Count from which on the weight is 1.
        exponent: alpha.
    """

    x_max: float = 100.0
    exponent: float = 0.75

    def __call__(self, counts: Tensor) -> Tensor:
        """Weights of counts, of the same shape, at most 1."""
        return (counts / self.x_max).clamp(max=1.0).pow(self.exponent)


@dataclass(frozen=True)
class GloVeParameters:
    """What the model learns.

    Attributes:
        words: e, (V, D).
        contexts: theta, (V, D).
        word_biases: b, (V,).
        context_biases: b', (V,).
    """

    words: Tensor
    contexts: Tensor
    word_biases: Tensor
    context_biases: Tensor

    @property
    def vectors(self) -> Tensor:
        """What is published, (e + theta) / 2, (V, D)."""
        return (self.words + self.contexts) / 2

    @torch.no_grad()
    def loss(self, counts: Cooccurrences, weighting: Weighting) -> float:
        """J of the paper (equation 8) over all nonzeros, in float64."""
        e, theta, b, b_context = (
            tensor.double() for tensor in (self.words, self.contexts, self.word_biases, self.context_biases)
        )
        total = 0.0
        for words, contexts, values in counts.chunks(2**16):
            i, j, x = torch.from_numpy(words).long(), torch.from_numpy(contexts).long(), torch.from_numpy(values)
            error = torch.linalg.vecdot(e[i], theta[j]) + b[i] + b_context[j] - x.log()
            total += float((weighting(x) * error.square()).sum())
        return total


class GloVeTable:
    """All parameters in one table with their accumulators, or some columns of it.

    The row of a word is [e, b, 1], that of a context word [theta, 1, b'], so that the product of two rows is
    e . theta + b + b', and the gradient of one is a multiple of the other. An infinite accumulator keeps the ones.

    Args:
        values: Rows of the words, then of the context words, (2V, D + 2).
        squares: Accumulators of AdaGrad, of the same shape.

    Attributes:
        values: As given.
        squares: As given.
    """

    def __init__(self, values: Tensor, squares: Tensor) -> None:
        self.values = values
        self.squares = squares

    @classmethod
    def first(cls, vocab_size: int, dimension: int, seed: int) -> GloVeTable:
        """Before training: everything uniform within 1 / 2D of 0, as in the authors' program, accumulators 1."""
        generator = np.random.default_rng(seed)
        values = generator.random((2 * vocab_size, dimension + 2), np.float32)  # NumPy asks for large memory pages
        values -= 0.5
        values /= dimension
        squares = np.ones_like(values)
        for rows, column in _constants(vocab_size, dimension):
            values[rows, column] = 1
            squares[rows, column] = math.inf
        return cls(torch.from_numpy(values), torch.from_numpy(squares))

    @classmethod
    def stored(cls, tensors: Mapping[str, Tensor]) -> GloVeTable:
        """As an earlier run left it."""
        return cls(*(torch.from_numpy(tensors[name].numpy().copy()) for name in ("values", "squares")))

    def part(self, first: int, last: int, device: torch.device) -> GloVeTable:
        """Some columns of the table, on a device."""
        return GloVeTable(*(whole[:, first:last].contiguous().to(device) for whole in (self.values, self.squares)))

    def parameters(self) -> GloVeParameters:
        """Vectors and biases of a whole table."""
        words, contexts = self.values.cpu().chunk(2)
        return GloVeParameters(words[:, :-2], contexts[:, :-2], words[:, -2], contexts[:, -1])

    @torch.no_grad()
    def train_group(
        self, group: Group, weighting: Weighting, learning_rate: float, accelerator: Accelerator | None = None
    ) -> Tensor:
        """One AdaGrad step for each entry.

        Args:
            group: The entries.
            weighting: f.
            learning_rate: Of the authors' AdaGrad.
            accelerator: Adds up the products where several processes hold some columns each.

        Returns:
            The sum of f(X_ij) times the squared error, each as it was before its own step, float64 ().
        """
        device, contexts_from = self.values.device, len(self.values) // 2
        rows = np.stack([group.words.astype(np.int64), group.contexts.astype(np.int64) + contexts_from])
        places = torch.from_numpy(rows).to(device)  # (2, n)
        counts = torch.from_numpy(group.counts).to(device)
        logs, weights = counts.log(), weighting(counts)
        errors = torch.empty_like(logs)
        for first, last in group.batches:
            size = last - first
            place = places[:, first:last].reshape(-1)  # (2B,): words, then context words
            values = self.values.index_select(0, place)  # (2B, W)
            squares = self.squares.index_select(0, place)
            words, contexts = values[:size], values[size:]
            products = torch.linalg.vecdot(words, contexts)  # (B,)
            if accelerator is not None and accelerator.num_processes > 1:
                products = accelerator.reduce(products, "sum")
            error = torch.sub(products, logs[first:last], out=errors[first:last])
            pull = (learning_rate * weights[first:last] * error)[:, None]
            gradients = torch.empty_like(values)
            torch.mul(contexts, pull, out=gradients[:size])
            torch.mul(words, pull, out=gradients[size:])
            values.addcmul_(gradients, squares.rsqrt(), value=-1)
            squares.addcmul_(gradients, gradients)
            self.values.index_copy_(0, place, values)
            self.squares.index_copy_(0, place, squares)
        return (weights * errors.square()).sum(dtype=torch.float64)


@dataclass(frozen=True)
class GloVeOptions(TrainerOptions):
    """Options of the method ``glove``.

    Attributes:
        epochs: Passes over the nonzeros of the matrix.
        window: Largest distance at which words co-occur.
        symmetric: Count the words on both sides of each, or only those before it.
        x_max: Count from which on an entry has the weight 1.
        exponent: How weights rise up to there.
        learning_rate: Of AdaGrad.
        memory_limit: Megabytes, for counting (over all its processes), and for the vectors of one process.
        counting_processes: How many processes count; the result is the same for any number.
        device: ``cpu`` to leave a GPU alone; by default what accelerate chooses.
    """

    owner: ClassVar[str] = "the method 'glove'"

    epochs: int = whole(25, least=1)
    window: int = whole(10, least=1)
    symmetric: bool = True
    x_max: float = number(100.0, above=0)
    exponent: float = number(0.75, above=0)
    learning_rate: float = number(0.05, above=0)
    memory_limit: float = number(1024, above=0)
    counting_processes: int = whole(1, least=1)
    device: str | None = None


def train_glove(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """Count a corpus and train GloVe on it; a word's vector is (e + theta) / 2.

    Runs unchanged under ``accelerate launch``; the same seed gives the same bits on the same device and number of
    processes. A run that was killed continues after its last whole epoch. The counts stay in the job's folder.

    Args:
        model: Gets the vectors; its vocabulary is that of the corpus.
        job: Its rows are the corpus, a `tsugiki.text_table.text_table`, and its arguments those of `GloVeOptions`.

    Returns:
        The history holds J during each pass, divided by the number of nonzeros.

    Raises:
        DataError: The corpus has fewer than two different words, or the vectors do not fit the memory limit.
        OptionError: An option is unknown or out of range, or the folder holds a run with other options.
    """
    options, seed = job.read_options(GloVeOptions), job.seed
    vocab_size, dimension = model.config.vocab_size, model.config.hidden_size
    _check_memory(vocab_size, dimension, options.memory_limit)
    tokens, offsets = token_stream(job.train)
    occurrences = word_counts(tokens, vocab_size)
    accelerator = Accelerator(cpu=options.device == "cpu")
    texts = zlib.crc32(tokens.tobytes(), zlib.crc32(offsets.tobytes()))
    counted = [texts, vocab_size, options.window, options.symmetric]
    trained = [dimension, seed, options.x_max, options.exponent, options.learning_rate]
    state = StateFile(job.output_dir / STATE, {"counted": counted, "trained": trained})
    if job.resume and (found := state.read()) is not None:
        table, record = GloVeTable.stored(found[0]), found[1]
    else:
        table, record = GloVeTable.first(vocab_size, dimension, seed), {}
    stopwatch = Stopwatch(record.get("seconds", 0.0))
    history, steps = record.get("history", []), record.get("steps", 0)
    if len(history) < options.epochs:
        key = f"{zlib.crc32(json.dumps(counted).encode()):08x}"
        folder, sorted_folder = job.output_dir / f"cooccurrences-{key}", job.output_dir / f"entries-{key}-{seed}"
        if accelerator.is_main_process:
            _count_and_sort((tokens, offsets), folder, sorted_folder, options, vocab_size, job)
        accelerator.wait_for_everyone()
        batches = GloVeBatches(sorted_folder)
        shares = _Shares(dimension + 2, accelerator)
        own, weighting = shares.own(table), Weighting(options.x_max, options.exponent)
        bar = tqdm(
            total=options.epochs * len(batches),
            initial=len(history) * len(batches),
            desc=job.title,
            unit="entry",
            unit_scale=True,
            dynamic_ncols=True,
            disable=not (job.progress and accelerator.is_main_process),
        )
        with bar:
            for epoch in range(len(history), options.epochs):
                loss = torch.zeros((), dtype=torch.float64, device=accelerator.device)
                for group in batches.epoch(seed, epoch):
                    loss += own.train_group(group, weighting, options.learning_rate, accelerator)
                    steps += len(group.batches)
                    bar.update(len(group.words))
                mean = float(loss) / len(batches)
                if not math.isfinite(mean):
                    raise DataError(f"the loss is {mean} in epoch {epoch + 1}; take a lower learning_rate")
                history.append({"epoch": float(epoch + 1), "loss": mean})
                bar.set_postfix(loss=f"{mean:.4f}")
                table = shares.join(own)
                tensors = {"values": table.values, "squares": table.squares}
                state.write(tensors, {"history": history, "steps": steps, "seconds": stopwatch.seconds})
        if accelerator.is_main_process:
            discard(sorted_folder)
    model.set_vectors(table.parameters().vectors.numpy(), occurrences)
    return FitResult(
        seconds=stopwatch.seconds,
        history=history,
        steps=steps,
        processes=accelerator.num_processes,
        device=str(accelerator.device),
    )


def _count_and_sort(
    corpus: tuple[NDArray[np.int32], NDArray[np.int64]],
    folder: Path,
    sorted_folder: Path,
    options: GloVeOptions,
    vocab_size: int,
    job: TrainingJob,
) -> None:
    """Count the corpus, unless that is done, and sort the entries by batch."""
    if not folder.exists():
        count_cooccurrences(
            corpus,
            folder,
            vocab_size=vocab_size,
            window=options.window,
            symmetric=options.symmetric,
            memory_limit=options.memory_limit,
            processes=options.counting_processes,
            progress=job.progress,
            title=f"{job.title} counts",
        )
    sort_entries(Cooccurrences.open(folder), sorted_folder, seed=job.seed, memory_limit=options.memory_limit)


class _Shares:
    """Which columns of the table each process holds."""

    def __init__(self, columns: int, accelerator: Accelerator) -> None:
        self.columns = columns
        self.accelerator = accelerator
        self.width = -(-columns // accelerator.num_processes)

    def own(self, whole: GloVeTable) -> GloVeTable:
        """This process's columns, on its device."""
        first = min(self.accelerator.process_index * self.width, self.columns)
        return whole.part(first, min(first + self.width, self.columns), self.accelerator.device)

    def join(self, table: GloVeTable) -> GloVeTable:
        """The whole table, from the columns of all processes."""
        if self.accelerator.num_processes == 1:
            return table
        joined = []
        for own in (table.values, table.squares):
            padded = own.new_zeros(self.width, len(own))  # every process sends equally many
            padded[: own.shape[1]] = own.T
            joined.append(self.accelerator.gather(padded)[: self.columns].T.contiguous())
        return GloVeTable(*joined)


def _check_memory(vocab_size: int, dimension: int, memory_limit: float) -> None:
    needed = COPIES * 2 * vocab_size * (dimension + 2) * 4 / MEGABYTE
    if needed > memory_limit:
        raise DataError(
            f"{dimension} numbers for each of {vocab_size:,} words take {needed:,.0f} MB to train, memory_limit is "
            f"{memory_limit:g}; raise it, or take fewer words or a smaller dimension"
        )


def _constants(vocab_size: int, dimension: int) -> list[tuple[slice, int]]:
    """Rows and column of the ones of a table."""
    return [(slice(0, vocab_size), dimension + 1), (slice(vocab_size, None), dimension)]
