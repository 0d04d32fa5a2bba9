"""Co-occurrence counting: tokens a second and peak memory, against the size of the corpus.

    python benchmarks/glove_counting.py [--millions 1.2 2.4 4.8 12] [--memory-limit 512] [--processes 2]
                                        [--plot glove_counting.png]

Corpora are cut from the English novels; one that is larger than they are repeats them. Memory is what this process and
the counting processes hold besides files and shared libraries, at its highest, less what this process held at the
start; an idle counting process takes some 30 MB of that. A last line compares the smallest corpus and the largest.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tsugiki_embeddings.training.cooccurrence import count_cooccurrences
from tsugiki_embeddings.words.word_tokenizer import train_word_tokenizer, word_list
from word2vec_against_gensim import encoded, texts_of

MEGABYTE = 2**20
BETWEEN_LOOKS = 0.02  # seconds


@dataclass(frozen=True)
class Measured:
    """One counting."""

    tokens: int
    nonzeros: int
    seconds: float
    memory: float  # MB


class PeakMemory(threading.Thread):
    """Watches the memory of this process and those it started."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process()
        self.start_bytes = self.held()
        self.peak = 0
        self.done = threading.Event()

    def held(self) -> int:
        """Bytes that are no file's and nobody else's."""
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                memory = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            total += memory.rss - memory.shared
        return total

    def run(self) -> None:
        """Look until told to stop."""
        while not self.done.wait(BETWEEN_LOOKS):
            self.peak = max(self.peak, self.held() - self.start_bytes)


def measure(
    corpus: tuple[NDArray[np.int32], NDArray[np.int64]], vocab_size: int, options: argparse.Namespace
) -> Measured:
    """Count once, timing it from the tokens to the finished files."""
    with tempfile.TemporaryDirectory() as temporary:
        watch = PeakMemory()
        watch.start()
        started = time.perf_counter()
        counts = count_cooccurrences(
            corpus,
            Path(temporary, "counts"),
            vocab_size=vocab_size,
            window=options.window,
            memory_limit=options.memory_limit,
            processes=options.processes,
        )
        seconds = time.perf_counter() - started
        watch.done.set()
        watch.join()
        return Measured(len(corpus[0]), len(counts), seconds, watch.peak / MEGABYTE)


def cut(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The first whole texts with about so many tokens, of the corpus repeated as often as it takes."""
    times = -(-size // len(tokens))
    starts = np.concatenate([offsets[:-1] + copy * len(tokens) for copy in range(times)] + [[times * len(tokens)]])
    texts = int(np.searchsorted(starts, size, side="right")) - 1
    return np.tile(tokens, times)[: starts[texts]], starts[: texts + 1]


def draw(rows: list[Measured], options: argparse.Namespace) -> None:
    """Time and memory against tokens, with the straight line through the smallest corpus and the limit."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    millions = np.array([row.tokens for row in rows]) / 1e6
    first = rows[0]
    left.plot(millions, [row.seconds for row in rows], marker="o", label="measured")
    left.plot(millions, first.seconds * millions / millions[0], color="0.5", linestyle="--", label="in proportion")
    left.set(ylabel="seconds", title=f"time, window {options.window}, {options.processes} processes", ylim=(0, None))
    right.plot(millions, [row.memory for row in rows], marker="o", label="peak")
    right.axhline(options.memory_limit, color="0.5", linestyle="--", label="memory_limit")
    right.set(ylabel="MB", title="memory", ylim=(0, None))
    for axes in (left, right):
        axes.set(xlabel="million tokens", xlim=(0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(options.plot, dpi=120)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="tsugiki/english_novels")
    parser.add_argument("--rows", type=int, help="take about so many texts from all over the corpus to cut from")
    parser.add_argument("--millions", type=float, nargs="+", default=[1.2, 2.4, 4.8, 12.0], help="tokens of a corpus")
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--memory-limit", type=float, default=512, help="megabytes")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plot", type=Path, default=Path("glove_counting.png"))
    options = parser.parse_args()
    texts = texts_of(options.data, options.rows)
    tokenizer = train_word_tokenizer(texts, min_count=5)
    tokens, offsets = encoded(texts, tokenizer)
    vocab_size = len(word_list(tokenizer))
    print(
        f"window {options.window}, {options.processes} processes, limit {options.memory_limit:g} MB, {vocab_size:,} ids"
    )
    print(f"{'tokens':>12}{'nonzeros':>13}{'seconds':>9}{'tokens/s':>12}{'peak MB':>9}", flush=True)
    rows = []
    for millions in sorted(options.millions):
        row = measure(cut(tokens, offsets, round(millions * 1e6)), vocab_size, options)
        rows.append(row)
        speed = row.tokens / row.seconds
        print(f"{row.tokens:12,}{row.nonzeros:13,}{row.seconds:9.1f}{speed:12,.0f}{row.memory:9.0f}", flush=True)
    first, last = rows[0], rows[-1]
    print(
        f"{last.tokens / first.tokens:.1f} x the tokens: {last.seconds / first.seconds:.1f} x the time, "
        f"{last.memory / first.memory:.2f} x the memory"
    )
    draw(rows, options)
    print(options.plot)


if __name__ == "__main__":
    main()
