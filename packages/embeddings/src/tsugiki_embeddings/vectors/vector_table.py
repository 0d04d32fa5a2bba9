"""Words and their vectors as files, models and gensim give and take them; `WordVectors` is the object to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
