"""What skip-gram with negative sampling trains on: blocks of consecutive words, the same for every way to load them.

The corpus is cut into runs of about a thousand words, which an epoch visits in random order, a part of some hundred
runs at a time. A part is thinned (Mikolov et al. 2013, section 2.3), and what is left is cut into blocks of consecutive
words. The pairs of a block lie in a band around the diagonal of one matrix product, so that no list of pairs is ever
made. Everything that is drawn for a part comes from a generator seeded with (seed, epoch, part): whoever prepares it,
and when, it is the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..words.word_counts import word_counts
from ..words.word_tokenizer import SPECIAL

LONGEST_SENTENCE = 1000  # words; longer rows are cut there, as the C code of word2vec does
RUN = 1000  # words of consecutive sentences that stay together in the order of an epoch
RUNS_A_PART = 256


@dataclass(frozen=True)
class Layout:
    """Sizes of what one step works on.

    Attributes:
        window: Words to each side, at most.
        negatives: Negatives a pair counts.
        block: Centre words of a block.
        shared: Negatives drawn for a block, which all of its pairs share.
        blocks: Blocks of a step.
    """

    window: int
    negatives: int
    block: int
    shared: int
    blocks: int

    @property
    def inputs(self) -> int:
        """Words of a block that predict: its centres and a window to each side."""
        return self.block + 2 * self.window

    @property
    def rows(self) -> int:
        """Rows of the table that a block reads: inputs, centres, negatives."""
        return self.inputs + self.block + self.shared


@dataclass(frozen=True)
class Step:
    """The blocks of one update.

    The table holds the vector of word w in row w and its output vector in row V + w.

    Attributes:
        rows: Rows of the table, int32 (G, I + B + K): I = B + 2W inputs in the order of the text, B centres, K
            negatives.
        left: Words to the left of each centre that are paired with it, int8 (G, B).
        right: The same to the right.
        unique: The rows of the table that occur, rising, int32 (U,).
        order: Places in the flattened `rows`, those of one row of the table beside each other, int32 (G (I + B + K),).
        starts: Where in `order` each of `unique` begins, int32 (U,).
        pairs: Number of pairs of a centre and a word beside it.
        progress: Share of the whole training that lies before this step.
    """

    rows: NDArray[np.int32]
    left: NDArray[np.int8]
    right: NDArray[np.int8]
    unique: NDArray[np.int32]
    order: NDArray[np.int32]
    starts: NDArray[np.int32]
    pairs: int
    progress: float


def keep_probabilities(counts: NDArray[np.int64], sample: float) -> NDArray[np.float64]:
    """How likely an occurrence of each word is kept by subsampling.

    The formula of the published C code, sqrt(t / f) + t / f with f the share of the word in the corpus, which keeps a
    little more than the 1 - sqrt(t / f) dropped of the paper's section 2.3.

    Args:
        counts: How often each word occurs, (V,).
        sample: The threshold t; 0 keeps everything.

    Returns:
        Probabilities (V,), 1 at most.
    """
    if sample == 0:
        return np.ones(len(counts))
    ratio = sample * counts.sum() / np.maximum(counts, 1)
    return np.minimum(np.sqrt(ratio) + ratio, 1.0)


def noise_distribution(counts: NDArray[np.int64], exponent: float = 0.75) -> NDArray[np.float64]:
    """How likely each word is drawn as a negative: its count to a power (Mikolov et al. 2013, section 2.2), (V,)."""
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** exponent, 0.0)
    return weights / weights.sum()


class Corpus:
    """The known words of a corpus, cut into runs.

    Args:
        tokens: Numbers of words, int32 (T,); padding and unknown words are left out, and those beside them move
            together, as in word2vec.
        offsets: Where each text begins, and the end, int64 (N + 1,). No pair reaches over the end of a text.
        vocab_size: V.

    Attributes:
        words: The known words, int32 (T,).
        counts: How often each occurs, int64 (V,).

    Raises:
        DataError: There are fewer than two different words, or one beyond the vocabulary.
    """

    def __init__(self, tokens: NDArray[np.int32], offsets: NDArray[np.int64], vocab_size: int) -> None:
        self.counts = word_counts(tokens, vocab_size)
        known = tokens >= SPECIAL
        self.words = tokens[known]
        lengths = np.diff(np.concatenate([[0], known.cumsum()])[offsets])
        bounds = _cut(lengths)
        self._sentence = np.repeat(np.arange(len(bounds) - 1, dtype=np.int32), np.diff(bounds))
        at = bounds[np.searchsorted(bounds, np.arange(0, len(self.words), RUN))]
        self._runs = np.unique(np.append(at, len(self.words)))

    @property
    def parts(self) -> int:
        """Parts of an epoch."""
        return -(-(len(self._runs) - 1) // RUNS_A_PART)

    def part(self, seed: int, epoch: int, number: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The words of one part of an epoch before thinning, and the number of the sentence of each, (n,)."""
        order = np.random.default_rng([seed, epoch, 0]).permutation(len(self._runs) - 1)
        runs = order[number * RUNS_A_PART : (number + 1) * RUNS_A_PART]
        start, length = self._runs[runs], np.diff(self._runs)[runs]
        end = length.cumsum()
        index = np.repeat(start - (end - length), length) + np.arange(end[-1])
        return self.words[index], self._sentence[index]


def _cut(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bounds of sentences of at most `LONGEST_SENTENCE` words, empty ones left out, (S + 1,)."""
    lengths = lengths[lengths > 0]
    pieces = -(-lengths // LONGEST_SENTENCE)
    first = np.repeat(lengths.cumsum() - lengths, pieces)
    within = np.arange(len(first)) - np.repeat(pieces.cumsum() - pieces, pieces)
    return np.append(first + within * LONGEST_SENTENCE, lengths.sum())


class SkipGramBatches:
    """Steps of skip-gram training, in order.

    Args:
        corpus: The words.
        layout: Sizes of a step.
        sample: Threshold of subsampling.
        exponent: Power of the counts in the noise distribution.
        seed: At least 0.
        epochs: Epochs of the whole training, for `Step.progress`.
    """

    def __init__(
        self, corpus: Corpus, layout: Layout, *, sample: float, exponent: float, seed: int, epochs: int
    ) -> None:
        self.corpus = corpus
        self.layout = layout
        self.seed = seed
        self.epochs = epochs
        self._keep = keep_probabilities(corpus.counts, sample).astype(np.float32)
        self._noise = noise_distribution(corpus.counts, exponent).cumsum()

    def epoch(self, number: int, workers: int = 0) -> Iterator[list[Step]]:
        """The steps of an epoch, a part at a time.

        Args:
            number: From 0.
            workers: Threads that prepare parts ahead; 0 prepares each when it is asked for.
        """
        yield from _ahead(lambda part: self.steps(number, part), self.corpus.parts, workers)

    def steps(self, epoch: int, part: int) -> list[Step]:
        """The steps of one part, a function of (seed, epoch, part) alone."""
        draw = np.random.default_rng([self.seed, epoch, part + 1])  # 0 draws the order of the epoch
        words, sentence = self.corpus.part(self.seed, epoch, part)
        kept = draw.random(len(words), dtype=np.float32) < self._keep[words]
        words, sentence = words[kept], sentence[kept]
        if len(words) < 2:
            return []
        left, right = extents(sentence, draw.integers(1, self.layout.window + 1, len(words), dtype=np.int8))
        rows, left, right = self._blocks(words, left, right, draw)
        size = self.layout.blocks
        count = -(-len(rows) // size)
        steps = []
        for step in range(count):
            here = slice(step * size, (step + 1) * size)
            progress = (epoch + (part + step / count) / self.corpus.parts) / self.epochs
            steps.append(_step(rows[here], left[here], right[here], progress))
        return steps

    def _blocks(
        self, words: NDArray[np.int32], left: NDArray[np.int8], right: NDArray[np.int8], draw: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int8]]:
        """Cut a text into blocks in random order; the last one is filled up with centres that are paired with none.

        Returns:
            Rows of the table int32 (blocks, I + B + K), left and right int8 (blocks, B).
        """
        layout, vocab_size = self.layout, len(self._noise)
        count = -(-len(words) // layout.block)
        fill = count * layout.block - len(words)
        padded = np.pad(words, (layout.window, layout.window + fill), constant_values=words[0])
        inputs = sliding_window_view(padded, layout.inputs)[:: layout.block]  # (blocks, I)
        centres = inputs[:, layout.window : layout.window + layout.block]  # (blocks, B)
        negatives = np.searchsorted(self._noise, draw.random((count, layout.shared)) * self._noise[-1], side="right")
        rows = np.concatenate([inputs, centres + vocab_size, negatives + vocab_size], 1, dtype=np.int32)
        order = draw.permutation(count)
        left = np.pad(left, (0, fill)).reshape(count, layout.block)
        right = np.pad(right, (0, fill)).reshape(count, layout.block)
        return rows[order], left[order], right[order]


def extents(sentence: NDArray[np.int32], window: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """How far each word's window reaches within its sentence.

    Args:
        sentence: Number of the sentence of each word, (n,); words of one sentence are neighbours.
        window: The window drawn for each word, (n,).

    Returns:
        Words to the left and words to the right, int8 (n,) each.
    """
    places = np.arange(len(sentence))
    begins = np.flatnonzero(np.diff(sentence, prepend=sentence[0] - 1))
    lengths = np.diff(begins, append=len(sentence))
    first = np.repeat(begins, lengths)
    last = np.repeat(begins + lengths - 1, lengths)
    left, right = np.minimum(places - first, window), np.minimum(last - places, window)
    return left.astype(np.int8), right.astype(np.int8)


def _step(rows: NDArray[np.int32], left: NDArray[np.int8], right: NDArray[np.int8], progress: float) -> Step:
    """Add what summing the updates of one row of the table needs: sorted once here, no step has to."""
    keys = (rows.ravel().astype(np.int64) << 32) | np.arange(rows.size)  # row of the table, then place
    keys.sort()
    table_rows = (keys >> 32).astype(np.int32)
    starts = np.flatnonzero(np.diff(table_rows, prepend=-1)).astype(np.int32)
    return Step(
        rows=rows,
        left=left,
        right=right,
        unique=table_rows[starts],
        order=(keys & 0xFFFFFFFF).astype(np.int32),
        starts=starts,
        pairs=int(left.sum(dtype=np.int64) + right.sum(dtype=np.int64)),
        progress=progress,
    )


def _ahead(prepare: Callable[[int], list[Step]], count: int, workers: int) -> Iterator[list[Step]]:
    """``prepare(0)`` to ``prepare(count - 1)`` in order, by threads that stay at most a few parts ahead."""
    if workers == 0:
        yield from map(prepare, range(count))
        return
    waiting: deque[Future[list[Step]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="skip-gram")
    try:
        for number in range(count):
            waiting.append(pool.submit(prepare, number))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
