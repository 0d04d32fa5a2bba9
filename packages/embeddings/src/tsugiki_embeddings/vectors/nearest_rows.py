"""The nearest rows of a matrix, for many queries at once, a block of rows at a time.

A matrix in half precision or one that lies in a file is never converted or read as a whole: each block becomes float32
when its turn comes, and only the best rows of each query are kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import OptionError, did_you_mean

METHODS = ("3cosadd", "3cosmul", "euclid")
BLOCK = 2**20  # numbers of the matrix that are float32 at once
QUERIES = 512  # queries that are scored against a block at once
EPSILON = 1e-6  # keeps the denominator of 3CosMul from zero, as in Levy and Goldberg 2014 (equation 4)

Score = Callable[[slice, NDArray[np.float32], NDArray[np.float32]], NDArray[np.floating]]


def nearest_rows(
    matrix: NDArray[np.floating],
    norms: NDArray[np.float32],
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
    exclude: NDArray[np.int64],
    *,
    top_k: int,
    method: str = "3cosadd",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows that are nearest to what some vectors have and others have not.

    Args:
        matrix: Rows to choose from (V, D), of any floating type.
        norms: Their lengths (V,).
        positive: Vectors that count for a row, (B, P, D) for B queries.
        negative: Vectors that count against it, (B, N, D); N may be 0.
        exclude: Rows that are no answer to a query, (B, E); numbers outside of the matrix mean nothing.
        top_k: Rows a query.
        method: How a row x is scored:
            ``3cosadd``: its cosine with the sum of the positive vectors less the negative ones, all of length 1
            (Mikolov et al. 2013);
            ``3cosmul``: the product of its similarities to the positive ones over that to the negative ones, a
            similarity being (1 + cosine) / 2 (Levy and Goldberg 2014, equation 4);
            ``euclid``: the negative distance from the sum of the positive vectors less the negative ones, as they are.

    Returns:
        Row numbers int64 (B, K), best first, and scores float32 (B, K), K the smaller of `top_k` and V. Of equal scores
        the lower row goes first. A place that no row is left for holds the score -inf.
    """
    count = len(positive)
    score = {"3cosadd": _by_sum, "3cosmul": _by_product, "euclid": _by_distance}[method](positive, negative)
    kept = min(top_k, len(matrix))
    best_rows = np.zeros((count, 0), np.int64)
    best_scores = np.zeros((count, 0), np.float32)
    step = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        block = np.asarray(matrix[start : start + step], np.float32)  # (R, D)
        found = [
            _best_of_block(score, slice(first, first + QUERIES), block, norms, exclude, start, kept)
            for first in range(0, count, QUERIES)
        ]
        if found:
            rows = np.concatenate([best_rows, np.concatenate([rows for rows, _ in found])], axis=1)
            scores = np.concatenate([best_scores, np.concatenate([scores for _, scores in found])], axis=1)
            order = np.lexsort((rows, -scores), axis=-1)[:, :kept]
            best_rows = np.take_along_axis(rows, order, axis=1)
            best_scores = np.take_along_axis(scores, order, axis=1)
    return best_rows, best_scores


def row_norms(matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """Lengths of the rows (V,), a block at a time; not finite where a row is not."""
    norms = np.empty(len(matrix), np.float32)
    step = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        norms[start : start + step] = np.linalg.norm(np.asarray(matrix[start : start + step], np.float32), axis=1)
    return norms


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (..., D) scaled to length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True).astype(np.float32)
    return np.divide(vectors, np.where(lengths > 0, lengths, np.float32(1)), dtype=np.float32)


def _best_of_block(
    score: Score,
    queries: slice,
    block: NDArray[np.float32],
    norms: NDArray[np.float32],
    exclude: NDArray[np.int64],
    start: int,
    kept: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best rows of one block for some of the queries, in no order."""
    lengths = norms[start : start + len(block)]
    scores = np.asarray(score(queries, block, np.where(lengths > 0, lengths, np.float32(1))), np.float32)  # (b, R)
    hidden = exclude[queries] - start  # (b, E)
    query, place = np.nonzero((hidden >= 0) & (hidden < len(block)))
    scores[query, hidden[query, place]] = -np.inf
    if kept < len(block):
        rows = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
    else:
        rows = np.broadcast_to(np.arange(len(block)), scores.shape)
    return rows + start, np.take_along_axis(scores, rows, axis=1)


def _by_sum(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> Score:
    target = unit_length(unit_length(positive).sum(axis=1) - unit_length(negative).sum(axis=1))  # (B, D)
    return lambda queries, block, lengths: target[queries] @ block.T / lengths


def _by_product(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> Score:
    positive, negative = unit_length(positive), unit_length(negative)

    def product(vectors: NDArray[np.float32], block: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray:
        found = np.ones((len(vectors), len(block)), np.float32)
        for place in range(vectors.shape[1]):
            found *= (1 + vectors[:, place] @ block.T / lengths) / 2
        return found

    def score(queries: slice, block: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray:
        return product(positive[queries], block, lengths) / (product(negative[queries], block, lengths) + EPSILON)

    return score


def _by_distance(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> Score:
    target = positive.sum(axis=1, dtype=np.float64) - negative.sum(axis=1, dtype=np.float64)  # (B, D)
    target_squared = np.square(target).sum(axis=1, keepdims=True)  # (B, 1)

    def score(queries: slice, block: NDArray[np.float32], lengths: NDArray[np.float32]) -> NDArray:
        exact = block.astype(np.float64)  # squared distances are small differences of large numbers
        squared = np.square(exact).sum(axis=1) - 2 * target[queries] @ exact.T + target_squared[queries]
        return -np.sqrt(np.maximum(squared, 0))

    return score


def check_query(top_k: int, vocabulary: int | None, method: str) -> None:
    """Refuse a number of answers, a number of words or a method that no query can have, with an OptionError."""
    if top_k < 1:
        raise OptionError(f"top_k must be at least 1, not {top_k}")
    if vocabulary is not None and vocabulary < 1:
        raise OptionError(f"vocabulary must be at least 1 word, not {vocabulary}")
    if method not in METHODS:
        raise OptionError(f"unknown method {method!r}, only {', '.join(METHODS)}.{did_you_mean(method, METHODS)}")
