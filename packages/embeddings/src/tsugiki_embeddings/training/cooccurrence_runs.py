"""Runs of co-occurrence counts on disk: a piece of a corpus becomes one, and many become one.

A run is a sparse matrix of counts by rows, in three plain files: where each row starts, the columns, the sums. Counting
is a product of two sparse matrices. One says where each word stands, the other which words stand before each place and
how much they count; their product adds up, for every word, the contexts of all its places. Runs are added the same way,
a range of rows at a time, as many rows as memory allows.

The sums are whole numbers in float64 (`distance_weights`), so that they do not depend on the order of the additions,
nor on where the corpus was cut.

This module imports NumPy and SciPy only: counting processes start with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import sparse

TOKENS, LEFTS = ".tokens", ".lefts"
COLUMNS, VALUES, STARTS = ".columns", ".values", ".starts"
LARGEST_SCALE = 2**32  # sums of weights up to this are whole numbers in float64 for two million words at distance 1
BYTES_PER_ENTRY = 72  # of a merge: column and sum of an entry as read, stacked, added, and sorted by two transpositions
BYTES_PER_WORD = 160  # work space of a product, offsets of rows and columns, one full row in a merge


def bytes_per_token(window: int) -> int:
    """Memory that `count_piece` takes for one token: its contexts, and as many distinct pairs, twice."""
    return 32 * window + 128


def distance_weights(window: int) -> tuple[NDArray[np.float64], int]:
    """What a word counts at distance 1, 2, …, as whole numbers.

    Args:
        window: The largest distance.

    Returns:
        ``scale / distance`` (window,), and the scale: the least common multiple of the distances; 1, with fractions as
        weights, where that is too large.
    """
    scale = math.lcm(*range(1, window + 1))
    scale = scale if scale <= LARGEST_SCALE else 1
    return scale / np.arange(1, window + 1), scale


def write_piece(stem: Path, tokens: NDArray[np.int32], lefts: NDArray[np.int64], window: int) -> None:
    """Put a piece of the corpus down for `count_piece`.

    Args:
        stem: Path of the files, without a suffix.
        tokens: Numbers of known words (n,).
        lefts: How many of the tokens before each are its contexts, at most the window (n,); 0 for those that stand in
            front only because the next need them.
        window: The largest distance.
    """
    _write(stem.with_suffix(TOKENS), tokens)
    _write(stem.with_suffix(LEFTS), lefts.astype(np.min_scalar_type(window)))


def count_piece(stem: Path, *, vocab_size: int, window: int, symmetric: bool) -> list[Path]:
    """Count a piece of the corpus into runs, and delete it.

    Args:
        stem: As for `write_piece`.
        vocab_size: V.
        window: The largest distance.
        symmetric: Count each pair for both words; otherwise only for the second.

    Returns:
        The stems of the runs: words with what stands before them, and if symmetric what stands behind them.
    """
    tokens = np.fromfile(stem.with_suffix(TOKENS), np.int32)
    lefts = np.fromfile(stem.with_suffix(LEFTS), np.min_scalar_type(window))
    for suffix in (TOKENS, LEFTS):
        stem.with_suffix(suffix).unlink()
    counts = _left_contexts(tokens, lefts, vocab_size, distance_weights(window)[0])
    written = [stem.with_name(f"{stem.name}-left")]
    _write_run(written[0], counts)
    if symmetric:
        turned = counts.tocsc()  # the rows of the transposed matrix lie one after the other
        del counts
        written.append(stem.with_name(f"{stem.name}-right"))
        _write_run(written[1], turned)
    return written


def _left_contexts(
    tokens: NDArray[np.int32], lefts: NDArray[np.unsignedinteger], vocab_size: int, weights: NDArray[np.float64]
) -> sparse.csr_array:
    """For each word (row) the weighted number of times that each other stood before it, (V, V)."""
    places, window = len(tokens), len(weights)
    padded = np.concatenate([np.zeros(window, np.int32), tokens])
    before = sliding_window_view(padded, window)[:places]  # (n, window): the nearest is the last
    known = np.arange(window, 0, -1) <= lefts[:, None]
    starts = np.zeros(places + 1, np.int64)
    np.cumsum(lefts, out=starts[1:])
    values = np.broadcast_to(weights[::-1], before.shape)[known]
    contexts = sparse.csr_array((values, before[known], _index(starts)), shape=(places, vocab_size))
    where = sparse.csc_array((np.ones(places), tokens, _index(np.arange(places + 1))), shape=(vocab_size, places))
    return where.tocsr() @ contexts


def row_sizes(stems: Sequence[Path]) -> NDArray[np.int64]:
    """Entries of each row in several runs together, (V,)."""
    return np.sum([np.diff(_starts(stem)) for stem in stems], axis=0)


def merge_runs(stems: Sequence[Path], rows: tuple[int, int], *, memory: int, scale: int, stem: Path) -> list[Path]:
    """Add runs up into one.

    Args:
        stems: The runs, all with the same number of rows.
        rows: First row and the one after the last.
        memory: Bytes to get along with; one full row always fits.
        scale: What the sums are divided by.
        stem: Path of the result, whose rows are those asked for, their columns in order.

    Returns:
        The stem of the result, alone.
    """
    most = max(1, memory // BYTES_PER_ENTRY)
    vocab_size = len(_starts(stems[0])) - 1
    ends = row_sizes(stems)[rows[0] : rows[1]].cumsum()
    starts = np.zeros(rows[1] - rows[0] + 1, np.int64)
    with stem.with_suffix(COLUMNS).open("wb") as columns, stem.with_suffix(VALUES).open("wb") as values:
        done = 0
        while done < len(ends):
            before = ends[done - 1] if done else 0
            upto = max(done + 1, int(np.searchsorted(ends, before + most, side="right")))
            added = _add_rows(stems, rows[0] + done, rows[0] + upto, vocab_size, most).tocsc().tocsr()
            columns.write(added.indices.astype(np.int32, copy=False).data)
            values.write((added.data / scale).data)
            starts[done + 1 : upto + 1] = starts[done] + added.indptr[1:]
            done = upto
    _write(stem.with_suffix(STARTS), starts)
    return [stem]


def split_rows(sizes: NDArray[np.int64], parts: int) -> list[tuple[int, int]]:
    """Ranges of rows with about equally many entries, at most `parts` of them."""
    ends = sizes.cumsum()
    marks = np.searchsorted(ends, ends[-1] * np.arange(1, parts) / parts)
    bounds = np.unique(np.concatenate([[0], marks, [len(sizes)]]))
    return [(int(first), int(last)) for first, last in itertools.pairwise(bounds)]


def remove_runs(stems: Sequence[Path]) -> None:
    """Delete the files of runs."""
    for stem in stems:
        for suffix in (COLUMNS, VALUES, STARTS):
            stem.with_suffix(suffix).unlink()


def _add_rows(stems: Sequence[Path], first: int, last: int, vocab_size: int, most: int) -> sparse.csr_array:
    """The sum of a range of rows over all runs, never much more than `most` entries of theirs at a time."""
    parts: list[sparse.csr_array] = []
    for stem in stems:
        part = _read_rows(stem, first, last, vocab_size)
        if parts and sum(other.nnz for other in parts) + part.nnz > most:
            parts = [_add(parts)]
        parts.append(part)
    return _add(parts)


def _add(parts: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """The sum of matrices of one shape: stacked, and multiplied by a matrix that picks every part's row."""
    if len(parts) == 1:
        return parts[0]
    rows = parts[0].shape[0]
    picked = np.arange(rows)[:, None] + rows * np.arange(len(parts))
    chosen = (np.ones(picked.size), _index(picked.ravel()), _index(len(parts) * np.arange(rows + 1)))
    return sparse.csr_array(chosen, shape=(rows, picked.size)) @ sparse.vstack(parts, format="csr")


def _write_run(stem: Path, counts: sparse.csr_array | sparse.csc_array) -> None:
    """Write a matrix by rows, or one by columns as its transpose."""
    _write(stem.with_suffix(COLUMNS), counts.indices.astype(np.int32, copy=False))
    _write(stem.with_suffix(VALUES), counts.data)
    _write(stem.with_suffix(STARTS), counts.indptr.astype(np.int64))


def _write(file: Path, array: NDArray[Any]) -> None:
    """Through Python's own files, whose errors say that a disk is full."""
    with file.open("wb") as out:
        out.write(array.data)


def _starts(stem: Path) -> NDArray[np.int64]:
    return np.fromfile(stem.with_suffix(STARTS), np.int64)


def _read_rows(stem: Path, first: int, last: int, vocab_size: int) -> sparse.csr_array:
    starts = np.fromfile(stem.with_suffix(STARTS), np.int64, last - first + 1, offset=8 * first)
    begin, size = int(starts[0]), int(starts[-1] - starts[0])
    columns = np.fromfile(stem.with_suffix(COLUMNS), np.int32, size, offset=4 * begin)
    values = np.fromfile(stem.with_suffix(VALUES), np.float64, size, offset=8 * begin)
    return sparse.csr_array((values, columns, _index(starts - begin)), shape=(last - first, vocab_size))


def _index(numbers: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    """Offsets in the smallest type that SciPy's products take."""
    small = not len(numbers) or numbers[-1] < 2**31
    return numbers.astype(np.int32) if small else numbers
