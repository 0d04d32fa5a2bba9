"""GloVe's training against single steps in float64: the loss after each of 25 passes, on 2,000 words.

    python benchmarks/glove_against_reference.py [--words 2000] [--tokens 60000] [--dimension 50] [--passes 25]

The corpus is the start of the English novels with its commonest words. The reference is written from the paper and
takes one entry of the matrix after the other, in an order of its own; it is slow. Exits with 1 where the two losses
differ by more than 1 %.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tsugiki_embeddings.training.cooccurrence import count_cooccurrences
from tsugiki_embeddings.training.glove import GloVeTable, Weighting
from tsugiki_embeddings.training.glove_batches import sort_entries
from tsugiki_embeddings.words.word_tokenizer import train_word_tokenizer, word_list
from word2vec_against_gensim import encoded, texts_of

LEARNING_RATE = 0.05
TOLERANCE = 0.01


class SingleSteps:
    """e and b, theta and b' side by side, (V, D + 1) each, with their accumulators."""

    def __init__(self, table: GloVeTable, x_max: float) -> None:
        start = table.parameters()
        self.words = np.column_stack([start.words.numpy(), start.word_biases.numpy()]).astype(np.float64)
        self.contexts = np.column_stack([start.contexts.numpy(), start.context_biases.numpy()]).astype(np.float64)
        self.word_squares, self.context_squares = np.ones_like(self.words), np.ones_like(self.contexts)
        self.x_max = x_max

    def run(self, entries: list[tuple[int, int, float]]) -> None:
        """One AdaGrad step for each (i, j, X_ij)."""
        for i, j, x in entries:
            e, theta = self.words[i], self.contexts[j]
            error = e[:-1].dot(theta[:-1]) + e[-1] + theta[-1] - math.log(x)
            scale = LEARNING_RATE * min(1.0, (x / self.x_max) ** 0.75) * error
            for_word, for_context = scale * theta, scale * e
            for_word[-1] = for_context[-1] = scale
            e -= for_word / np.sqrt(self.word_squares[i])
            theta -= for_context / np.sqrt(self.context_squares[j])
            self.word_squares[i] += for_word * for_word
            self.context_squares[j] += for_context * for_context

    def loss(self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> float:
        """J of the paper, equation 8."""
        predicted = self.words[:, :-1] @ self.contexts[:, :-1].T + self.words[:, -1:] + self.contexts[:, -1]
        errors = predicted[rows, columns] - np.log(values)
        return float((np.minimum(1.0, (values / self.x_max) ** 0.75) * errors**2).sum())


def main() -> None:
    """Train both, pass by pass, and print their losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=60_000)
    parser.add_argument("--dimension", type=int, default=50)
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--x-max", type=float, default=10.0)
    parser.add_argument("--passes", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts = texts_of("tsugiki/english_novels", None)[: max(10, options.tokens // 20)]
    tokenizer = train_word_tokenizer(texts, min_count=1, max_words=options.words)
    tokens, offsets = encoded(texts, tokenizer)
    kept = int(np.searchsorted(offsets, options.tokens, side="right")) - 1
    weighting = Weighting(options.x_max)
    size = len(word_list(tokenizer))
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        corpus = tokens[: offsets[kept]], offsets[: kept + 1]
        counts = count_cooccurrences(corpus, Path(temporary, "counts"), vocab_size=size, window=options.window)
        batches = sort_entries(counts, Path(temporary, "sorted"), seed=options.seed, memory_limit=256)
        table = GloVeTable.first(size, options.dimension, options.seed)
        single = SingleSteps(table, options.x_max)
        matrix = counts.matrix().tocoo()
        rows, columns, values = *matrix.coords, matrix.data
        entries = list(zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True))
        print(f"{options.words:,} words, {len(corpus[0]):,} tokens, {len(entries):,} nonzeros, {options.dimension}-d")
        print(f"{'pass':>4}{'J, batches':>14}{'J, single':>14}{'apart':>9}{'entries/s':>12}{'single':>10}", flush=True)
        for epoch in range(options.passes):
            started = time.perf_counter()
            for group in batches.epoch(options.seed, epoch):
                table.train_group(group, weighting, LEARNING_RATE)
            between = time.perf_counter()
            order = np.random.default_rng([epoch, 1]).permutation(len(entries))
            single.run([entries[number] for number in order])
            speeds = len(entries) / (between - started), len(entries) / (time.perf_counter() - between)
            ours, theirs = table.parameters().loss(counts, weighting), single.loss(rows, columns, values)
            worst = max(worst, abs(ours / theirs - 1))
            shown = f"{ours:14,.1f}{theirs:14,.1f}{100 * (ours / theirs - 1):8.3f}%"
            print(f"{epoch + 1:4}{shown}{speeds[0]:12,.0f}{speeds[1]:10,.0f}", flush=True)
    print(f"at most {100 * worst:.3f} % apart")
    if worst > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
