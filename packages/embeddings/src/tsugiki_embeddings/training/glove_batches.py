"""The nonzeros of a co-occurrence matrix in batches in which no word occurs twice.

The authors of GloVe take one entry of the matrix at a time: an update touches the vectors of its word and of its
context word, and the next update sees it. Updates of entries that share neither word do not see each other, so a batch
of such entries, computed at once, is exactly as many single updates in a row. Such batches are the diagonals of the
matrix with its rows and its columns shuffled: entry (i, j) belongs to batch (row_place[i] + column_place[j]) mod V. A
frequent word occurs with nearly every other and so needs nearly V batches whatever the order; these are no more than V.

The entries are sorted by batch once, on the disk, in bounded memory, and read a few batches at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tsugiki.output import atomic_folder

from .cooccurrence import MEGABYTE, Cooccurrences

ENTRY = np.dtype([("word", "<i4"), ("context", "<i4"), ("count", "<f4")])
BYTES_PER_ENTRY = 64  # while a part of the entries is sorted
GROUP = 2**16  # entries that are read at once
ENTRIES, STARTS = "entries.bin", "starts.npy"


@dataclass(frozen=True)
class Group:
    """Entries that are read together, several batches.

    Attributes:
        words: Numbers of words (n,).
        contexts: Numbers of their context words (n,).
        counts: Their co-occurrence counts, float32 (n,).
        batches: First entry and the one after the last of each batch, in the order to take them.
    """

    words: NDArray[np.int32]
    contexts: NDArray[np.int32]
    counts: NDArray[np.float32]
    batches: list[tuple[int, int]]


class GloVeBatches:
    """Entries on disk, sorted by batch.

    Args:
        folder: What `sort_entries` wrote.

    Attributes:
        starts: Where each batch begins, and the end, int64 (V + 1,).
    """

    def __init__(self, folder: str | Path) -> None:
        self.file = Path(folder) / ENTRIES
        self.starts: NDArray[np.int64] = np.load(Path(folder) / STARTS, allow_pickle=False)

    def __len__(self) -> int:
        """Number of entries."""
        return int(self.starts[-1])

    def groups(self) -> int:
        """How often an epoch reads from the file."""
        return len(self._bounds()) - 1

    def epoch(self, seed: int, epoch: int) -> Iterator[Group]:
        """All entries once; groups, and batches within each, in an order drawn from seed and epoch."""
        generator = np.random.default_rng([seed, epoch])
        bounds = self._bounds()
        with self.file.open("rb") as file:
            for number in generator.permutation(len(bounds) - 1):
                starts = self.starts[bounds[number] : bounds[number + 1] + 1]
                file.seek(int(starts[0]) * ENTRY.itemsize)
                entries = np.fromfile(file, ENTRY, int(starts[-1] - starts[0]))
                ends = starts - starts[0]
                order = generator.permutation(len(ends) - 1)
                batches = [(int(ends[batch]), int(ends[batch + 1])) for batch in order if ends[batch] < ends[batch + 1]]
                words, contexts, counts = (np.ascontiguousarray(entries[name]) for name in ("word", "context", "count"))
                yield Group(words, contexts, counts, batches)

    def _bounds(self) -> NDArray[np.int64]:
        """First batch of each group, and the number of batches."""
        marks = np.searchsorted(self.starts, np.arange(0, len(self), GROUP))
        return np.unique(np.append(marks, len(self.starts) - 1))


def sort_entries(counts: Cooccurrences, folder: str | Path, *, seed: int, memory_limit: float) -> GloVeBatches:
    """Sort the nonzeros by batch; what is in `folder` already is taken as it is.

    Args:
        counts: The matrix.
        folder: Where the entries go, whole or not at all.
        seed: Of the shuffles of rows and columns.
        memory_limit: Megabytes to get along with.
    """
    if not (Path(folder) / STARTS).exists():
        with atomic_folder(folder) as partial:
            _sort(counts, partial, seed, int(memory_limit * MEGABYTE))
    return GloVeBatches(folder)


def _sort(counts: Cooccurrences, folder: Path, seed: int, memory: int) -> None:
    size = counts.vocab_size
    generator = np.random.default_rng(seed)
    row_place, column_place = generator.permutation(size), generator.permutation(size)

    def batch_of(entries: NDArray[np.void]) -> NDArray[np.int64]:
        return (row_place[entries["word"]] + column_place[entries["context"]]) % size

    held = max(GROUP, memory // BYTES_PER_ENTRY)
    parts = -(-len(counts) // held)
    files = [folder / f"part-{part}" for part in range(parts)]
    sizes = np.zeros(size, np.int64)
    for words, contexts, values in counts.chunks(held):
        entries = np.empty(len(words), ENTRY)
        entries["word"], entries["context"], entries["count"] = words, contexts, values
        batches = batch_of(entries)
        sizes += np.bincount(batches, minlength=size)
        part_of = batches * parts // size
        entries = entries[np.argsort(part_of, kind="stable")]
        ends = np.cumsum(np.bincount(part_of, minlength=parts))
        for file, part in zip(files, np.split(entries, ends[:-1]), strict=True):
            with file.open("ab") as out:
                part.tofile(out)
    with (folder / ENTRIES).open("wb") as whole:
        for file in files:
            entries = np.fromfile(file, ENTRY)
            entries[np.argsort(batch_of(entries), kind="stable")].tofile(whole)  # by rows within a batch
            file.unlink()
    np.save(folder / STARTS, np.concatenate([np.zeros(1, np.int64), sizes.cumsum()]))
