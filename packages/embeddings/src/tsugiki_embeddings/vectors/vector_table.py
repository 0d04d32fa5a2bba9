"""Words and their vectors as files, models and gensim give and take them; `WordVectors` is the object to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError

from .nearest_rows import row_norms


class VectorTable(NamedTuple):
    """A vocabulary and its vectors.

    Attributes:
        words: The words, the commonest first.
        matrix: Their vectors (V, D), float32 or float16; it may lie in a file (`numpy.memmap`).
        counts: How often each word was seen (V,), if that is known.
        compose: Makes vectors (N, D) of N words that are not in the vocabulary, where that is possible.
    """

    words: list[str]
    matrix: NDArray[np.floating]
    counts: NDArray[np.integer] | None = None
    compose: Callable[[Sequence[str]], NDArray[np.floating]] | None = None

    def check(self, index: Mapping[str, int]) -> None:
        """Refuse words and vectors that do not fit each other; `index` says where each word was seen last.

        Raises:
            DataError: There is no word, a word stands twice, or the shapes do not fit.
        """
        count, matrix = len(self.words), self.matrix
        if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating):
            raise DataError(f"a matrix of word vectors must be floating (V, D), not {matrix.dtype} {matrix.shape}")
        if not count or matrix.shape[1] == 0:
            raise DataError("there are no word vectors: no word, or vectors without numbers")
        if len(matrix) != count:
            raise DataError(f"{count:,} words do not fit a matrix of {len(matrix):,} rows")
        if self.counts is not None and self.counts.shape != (count,):
            raise DataError(f"{count:,} words do not fit counts of shape {self.counts.shape}")
        if len(index) < count:
            word = next(word for row, word in enumerate(self.words) if index[word] != row)
            raise DataError(f"the word {word!r} stands twice in the vocabulary; each word has one vector")

    def first(self, limit: int | None) -> VectorTable:
        """The first `limit` words alone, or all."""
        if limit is None or limit >= len(self.words):
            return self
        return VectorTable(
            self.words[:limit], self.matrix[:limit], None if self.counts is None else self.counts[:limit]
        )

    def norms(self) -> NDArray[np.float32]:
        """Lengths of the vectors (V,).

        Raises:
            DataError: A vector holds NaN or infinity; names its word.
        """
        norms: NDArray[np.float32] = row_norms(self.matrix)
        if not np.isfinite(norms).all():
            row = int(np.argmin(np.isfinite(norms)))
            raise DataError(f"the vector of {self.words[row]!r} (row {row}) holds NaN or infinity; repair the matrix")
        return norms
