"""Co-occurrence counts of a corpus of any size, in a stated amount of memory, by one or several processes.

Pennington, Socher and Manning 2014, GloVe: Global vectors for word representation, section 3.1 and 4.2: a word counts
1/d for another that stands d words from it, within a window and within its text. As in the authors' program, words
outside the vocabulary are taken out first, so that what stood around them moves together.

The corpus is read in pieces. Each becomes a sorted run of counts on disk, and the runs are added up
(`cooccurrence_runs`). The result is the same to the bit for any memory limit and any number of processes.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tqdm.auto import tqdm
from tsugiki.errors import DataError, OptionError
from tsugiki.output import atomic_folder, write_json

from ..words.word_tokenizer import SPECIAL
from . import cooccurrence_runs as runs
from .counting_process import counting_processes

MEGABYTE = 2**20
FAN_IN = 64  # runs that are added up at once
SMALLEST_PIECE = 1024  # tokens
DESCRIPTION = "cooccurrences.json"

Corpus = tuple[NDArray[np.integer], NDArray[np.integer]] | Iterable[Any]


@dataclass(frozen=True)
class Cooccurrences:
    """Counts on disk, read through memory maps.

    Attributes:
        folder: Where they lie.
        vocab_size: V, with the two special tokens, whose rows and columns are empty.
        window: Largest distance that was counted.
        symmetric: Whether words on both sides were; otherwise only those before.
        tokens: Words that were counted.
        starts: Where each row begins among the nonzeros, and the end, int64 (V + 1,).
        columns: Context word of each nonzero, rising within a row, int32 (N,).
        values: Its count, float64 (N,).
    """

    folder: Path
    vocab_size: int
    window: int
    symmetric: bool
    tokens: int
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]

    @classmethod
    def open(cls, folder: str | Path) -> Cooccurrences:
        """Open what `count_cooccurrences` wrote.

        Raises:
            DataError: The folder is missing, or a file of it is damaged.
        """
        place = Path(folder)
        try:
            described = json.loads((place / DESCRIPTION).read_text(encoding="utf-8"))
            names = ("starts", "columns", "values")
            arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
            counts = cls(folder=place, **described, **arrays)
            whole = len(counts.starts) == counts.vocab_size + 1 and len(counts.columns) == len(counts.values)
            whole = whole and counts.starts[-1] == len(counts.values)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{folder} holds no co-occurrence counts ({error}); count the corpus again") from error
        if not whole:
            raise DataError(f"the files of {folder} do not belong together; count the corpus again")
        return counts

    def __len__(self) -> int:
        """Number of nonzeros, N."""
        return len(self.values)

    def chunks(self, size: int = 2**20) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]]:
        """The nonzeros by rows: word, context word and count, each (n,) with n at most `size`."""
        for first in range(0, len(self), size):
            last = min(first + size, len(self))
            low = int(np.searchsorted(self.starts, first, side="right")) - 1
            high = int(np.searchsorted(self.starts, last, side="left"))
            bounds = np.clip(self.starts[low : high + 1], first, last)
            words = np.repeat(np.arange(low, high, dtype=np.int32), np.diff(bounds))
            yield words, np.array(self.columns[first:last]), np.array(self.values[first:last])

    def matrix(self) -> sparse.csr_array:
        """All counts as a sparse matrix in memory, (V, V)."""
        parts = (np.array(self.values), np.array(self.columns), np.array(self.starts))
        return sparse.csr_array(parts, shape=(self.vocab_size, self.vocab_size))


def count_cooccurrences(
    corpus: Corpus,
    folder: str | Path,
    *,
    vocab_size: int,
    window: int = 10,
    symmetric: bool = True,
    memory_limit: float = 1024,
    processes: int = 1,
    piece_tokens: int | None = None,
    progress: bool = False,
    title: str = "counting",
) -> Cooccurrences:
    """Count how often words stand near each other.

    Args:
        corpus: All tokens, int (T,), with the offsets of the texts, int (N + 1,), as one tuple; or anything that gives
            one text after the other, each the numbers of its tokens. No pair spans two texts. 0 and 1 (padding and
            unknown words) are taken out first.
        folder: Where the counts go, whole or not at all; nothing may be there yet.
        vocab_size: V; tokens are below it.
        window: Largest distance, at least 1.
        symmetric: Count the words on both sides of each, or only those before it.
        memory_limit: Megabytes that the counting may take, over all processes, beyond what they use to start. The rest
            lies on the disk, in `folder`.
        processes: How many count side by side.
        piece_tokens: Tokens of a piece; by default as many as the limit allows.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Returns:
        The counts: row is the word, column its context.

    Raises:
        DataError: The corpus has no two known words beside each other, or a token is out of range.
        OptionError: An option is out of range, or the vocabulary does not fit the limit.
        OutputError: The folder exists already, the disk is full, or a counting process was ended from outside.
    """
    if window < 1 or processes < 1 or vocab_size < 1 or (piece_tokens is not None and piece_tokens < 1):
        raise OptionError("window, processes, vocab_size and piece_tokens must be at least 1")
    memory = int(memory_limit * MEGABYTE) // processes
    room = memory - vocab_size * runs.BYTES_PER_WORD
    size = max(room, 0) // runs.bytes_per_token(window)
    if size < SMALLEST_PIECE:
        least = vocab_size * runs.BYTES_PER_WORD + SMALLEST_PIECE * runs.bytes_per_token(window)
        raise OptionError(
            f"counting {vocab_size:,} words with {processes} processes needs at least "
            f"{processes * least / MEGABYTE + 0.1:.1f} MB, memory_limit is {memory_limit}; raise it or take fewer words"
        )
    size = min(size, piece_tokens or size)
    total = len(corpus[0]) if isinstance(corpus, tuple) else None
    bar = tqdm(total=total, desc=title, unit="token", unit_scale=True, dynamic_ncols=True, disable=not progress)
    with atomic_folder(folder) as partial, bar, counting_processes(processes) as submit:
        scratch = partial / "runs"
        scratch.mkdir()
        counting = _Counting(scratch, vocab_size, window, symmetric, room, processes, submit)
        for block, starts in _blocks(corpus, size):
            _check_tokens(block, vocab_size)
            counting.add(block, starts)
            bar.update(len(block))
        _join(partial, counting.finish())
        shutil.rmtree(scratch)
        described = {"vocab_size": vocab_size, "window": window, "symmetric": symmetric, "tokens": counting.tokens}
        write_json(partial / DESCRIPTION, described)
    return Cooccurrences.open(folder)


class _Counting:
    """Pieces go out to the workers and come back as runs; whenever there are many, they are made one."""

    def __init__(
        self,
        folder: Path,
        vocab_size: int,
        window: int,
        symmetric: bool,
        memory: int,
        processes: int,
        submit: Callable[..., Future[list[Path]]],
    ) -> None:
        self.folder = folder
        self.vocab_size = vocab_size
        self.window = window
        self.symmetric = symmetric
        self.memory = memory  # bytes of one process
        self.processes = processes
        self.submit = submit
        self.scale = runs.distance_weights(window)[1]
        self.tokens = 0
        self.pairs = 0
        self.last_words = np.empty(0, np.int32)  # of the text that goes on in the next block
        self.jobs = 0
        self.under_way: deque[tuple[Future[list[Path]], int, list[Path]]] = deque()  # with its level and its inputs
        self.levels: list[list[Path]] = [[]]  # runs of pieces, sums of those, sums of sums

    def add(self, block: NDArray[np.integer], starts: NDArray[np.int64]) -> None:
        """Count the next tokens (n,), among which texts begin at `starts`."""
        known = block >= SPECIAL
        before = np.concatenate([np.zeros(1, np.int64), known.cumsum()])
        carried = len(self.last_words)
        tokens = np.concatenate([self.last_words, block[known].astype(np.int32, copy=False)])
        firsts = before[starts] + carried
        begun = np.zeros(len(tokens) + 1, np.int64)  # where the text of each place begins
        begun[firsts] = firsts
        begun = np.maximum.accumulate(begun)
        lefts = np.minimum(np.arange(len(tokens)) - begun[:-1], self.window)
        lefts[:carried] = 0
        self.tokens += len(tokens) - carried
        self.pairs += int(lefts.sum())
        self.last_words = tokens[max(int(begun[-1]), len(tokens) - self.window) :].copy()
        if not lefts.any():
            return
        stem = self._stem()
        runs.write_piece(stem, tokens, lefts, self.window)
        options = {"vocab_size": self.vocab_size, "window": self.window, "symmetric": self.symmetric}
        self._start(0, [], "count_piece", stem=stem, **options)

    def finish(self) -> list[Path]:
        """Add everything up.

        Returns:
            The stems of the parts of the result, by rows.

        Raises:
            DataError: There is nothing to count.
        """
        while self.under_way:
            self._collect()
        if self.pairs == 0:
            raise DataError("the corpus has no two known words beside each other, so there is nothing to count")
        stems = [stem for level in self.levels for stem in level]
        self.levels = [[]]
        for rows in runs.split_rows(runs.row_sizes(stems), min(4 * self.processes, FAN_IN - 1)):
            self._merge(0, [], stems, rows, self.scale)
        while self.under_way:
            self._collect()
        return self.levels[0]

    def _stem(self) -> Path:
        """Of the files of another job."""
        self.jobs += 1
        return self.folder / f"{self.jobs:06}"

    def _start(self, level: int, inputs: list[Path], name: str, **arguments: Any) -> None:
        """Hand a job out, and wait for earlier ones where too many are under way."""
        self.under_way.append((self.submit(name, **arguments), level, inputs))
        while len(self.under_way) > self.processes:
            self._collect()

    def _merge(self, level: int, inputs: list[Path], stems: list[Path], rows: tuple[int, int], scale: int) -> None:
        """Have runs added up; `inputs` are deleted then."""
        arguments = {"stems": stems, "rows": rows, "memory": self.memory, "scale": scale, "stem": self._stem()}
        self._start(level, inputs, "merge_runs", **arguments)

    def _collect(self) -> None:
        """Take in the result of the oldest job; the order of the jobs, and so every sum, is always the same."""
        job, level, inputs = self.under_way.popleft()
        runs_at_level = self.levels[level]
        runs_at_level += job.result()
        runs.remove_runs(inputs)
        if len(runs_at_level) >= FAN_IN:
            if level + 1 == len(self.levels):
                self.levels.append([])
            self.levels[level] = []
            self._merge(level + 1, runs_at_level, runs_at_level, (0, self.vocab_size), 1)


def _blocks(corpus: Corpus, size: int) -> Iterator[tuple[NDArray[np.integer], NDArray[np.int64]]]:
    """The tokens of a corpus, at most `size` at a time, with the places among them at which texts begin."""
    if isinstance(corpus, tuple):
        tokens, offsets = (np.asarray(part) for part in corpus)
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(tokens) or (np.diff(offsets) < 0).any():
            raise DataError(f"the offsets of the texts must rise from 0 to the number of tokens, {len(tokens)}")
        for first in range(0, len(tokens), size):
            begin, end = np.searchsorted(offsets[:-1], [first, first + size])
            yield tokens[first : first + size], (offsets[begin:end] - first).astype(np.int64)
        return
    held: list[NDArray[np.integer]] = []
    starts: list[int] = []
    count = 0
    for text in corpus:
        left = np.asarray(text)
        starts.append(count)
        while len(left):
            held.append(left[: size - count])
            left = left[size - count :]
            count += len(held[-1])
            if count == size:
                yield np.concatenate(held), np.array(starts, np.int64)
                held, starts, count = [], [], 0
    if held:
        yield np.concatenate(held), np.array(starts, np.int64)


def _check_tokens(tokens: NDArray[np.integer], vocab_size: int) -> None:
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise DataError(f"tokens must be whole numbers in one dimension, not {tokens.dtype} {tokens.shape}")
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise DataError(
            f"the corpus holds the tokens {tokens.min()} to {tokens.max()}, the vocabulary has 0 to {vocab_size - 1}"
        )


def _join(folder: Path, parts: list[Path]) -> None:
    """Put the parts of the result behind each other, as NumPy's own files, and delete them."""
    sizes = [stem.with_suffix(runs.COLUMNS).stat().st_size // 4 for stem in parts]
    for name, suffix, kind in (("columns", runs.COLUMNS, "<i4"), ("values", runs.VALUES, "<f8")):
        with (folder / f"{name}.npy").open("wb") as whole:
            header = {"descr": kind, "fortran_order": False, "shape": (sum(sizes),)}
            np.lib.format.write_array_header_1_0(whole, header)
            for stem in parts:
                with stem.with_suffix(suffix).open("rb") as part:
                    shutil.copyfileobj(part, whole, MEGABYTE)
                stem.with_suffix(suffix).unlink()
    starts = [np.zeros(1, np.int64)]
    for stem in parts:
        starts.append(np.fromfile(stem.with_suffix(runs.STARTS), np.int64)[1:] + starts[-1][-1])
    np.save(folder / "starts.npy", np.concatenate(starts))
