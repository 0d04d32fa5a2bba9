"""Word vectors to ask: neighbours, analogies, similarities, the odd one out, for many words at once.

`WordVectors` is the plain face of a matrix of word vectors, for numpy and without special tokens. It comes from a
snapshot, from a model, from the files of other programs (`tsugiki_embeddings.vectors.interchange`) or from arrays, and
goes back to each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import OptionError

from ..words.spelling import WordIndex, plain_word
from ..words.unknown_words import unknown_words
from .nearest_rows import check_query, nearest_rows, unit_length
from .vector_table import VectorTable

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from .word_vectors_model import WordVectorsModel

Neighbors = list[tuple[str, float]]


class WordVectors:
    """A vocabulary and a vector for each of its words.

    Args:
        words: The words, the commonest first.
        matrix: Their vectors (V, D), float32 or float16; it may lie in a file (`numpy.memmap`). It is kept as it is.
        counts: How often each word was seen (V,), if that is known.
        compose: Makes vectors (N, D) of N words that are not in the vocabulary, as fastText does; by default such words
            are refused.

    Attributes:
        words: As given, a list.
        matrix: As given.
        counts: int64 (V,) or None.
        index: Word -> row, whatever its spelling; see `tsugiki_embeddings.words.spelling`.

    Raises:
        DataError: There is no word, a word stands twice, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> vectors = WordVectors(["up", "down", "high"], np.array([[1, 0], [-1, 0], [2, 1]], np.float32))
        >>> vectors.most_similar("up", top_k=1)[0][0]
        'high'
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: NDArray[np.floating],
        counts: NDArray[np.integer] | None = None,
        *,
        compose: Callable[[Sequence[str]], NDArray[np.floating]] | None = None,
    ) -> None:
        self.words = list(words)
        self.matrix = matrix
        self.counts = None if counts is None else np.asarray(counts, np.int64)
        self._compose = compose
        self.index = WordIndex(self.words)
        self.table.check(self.index)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.dimension} numbers each, {self.matrix.dtype})"

    @property
    def table(self) -> VectorTable:
        """What was given."""
        return VectorTable(self.words, self.matrix, self.counts, self._compose)

    @classmethod
    def of(cls, table: VectorTable) -> WordVectors:
        """The object to ask for a table, which holds what the class takes."""
        return cls(table.words, table.matrix, table.counts, compose=table.compose)

    @property
    def dimension(self) -> int:
        """Numbers a word."""
        return int(self.matrix.shape[1])

    @cached_property
    def norms(self) -> NDArray[np.float32]:
        """Lengths of the vectors (V,); NaN and infinity are refused, see `VectorTable.norms`."""
        return self.table.norms()

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The vectors scaled to length 1, float32 (V, D); a vector of zeros stays as it is."""
        return unit_length(np.asarray(self.matrix, np.float32))

    def vector(self, word: str) -> NDArray[np.float32]:
        """The vector of a word, float32 (D,).

        Raises:
            DataError: The word is unknown; names the nearest known ones.
        """
        return self._vectors([word])[0]

    def spelling(self, word: str) -> str:
        """A word as the vocabulary spells it: in lower case if it has it only so; an unknown one as it is."""
        rows = (self.index.get(form) for form in (word, word.lower()))
        return next((self.words[row] for row in rows if row is not None), word)

    def rows(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The rows of known words, int64 (N,).

        Raises:
            DataError: Words are unknown; names them all, and the nearest known ones.
        """
        unknown = [word for word in dict.fromkeys(words) if word not in self.index]
        if unknown:
            raise unknown_words(unknown, self.words)
        return np.fromiter((self.index[word] for word in words), np.int64, len(words))

    def most_similar(
        self,
        positive: str | Sequence[str],
        negative: str | Sequence[str] = (),
        *,
        top_k: int = 10,
        vocabulary: int | None = None,
        method: str = "3cosadd",
    ) -> Neighbors:
        """The words nearest to what some words have in common and others have not.

        Args:
            positive: One word or several, whose vectors are added.
            negative: Words whose vectors are taken away.
            top_k: Words to return, at most.
            vocabulary: Choose among the first so many words; by default among all.
            method: One of `METHODS`; see `tsugiki_embeddings.vectors.nearest_rows`. Scores of ``euclid`` are negative
                distances, so that more is always nearer.

        Returns:
            Words with their scores, best first; the given words are never among them.

        Raises:
            DataError: A word is unknown.
            OptionError: An option is out of range, or there is no positive word.
        """
        added = [positive] if isinstance(positive, str) else list(positive)
        removed = [negative] if isinstance(negative, str) else list(negative)
        if not added:
            raise OptionError("most_similar needs at least one positive word")
        return self._answers([added], [removed], top_k=top_k, vocabulary=vocabulary, method=method)[0]

    def neighbors(self, words: Sequence[str], *, top_k: int = 10, vocabulary: int | None = None) -> list[Neighbors]:
        """The nearest words by cosine of each of several words, in one batch.

        Args:
            words: N words, each a query of its own.
            top_k: Words to return for each, at most.
            vocabulary: Choose among the first so many words; by default among all.

        Returns:
            For each word its neighbours with their cosines, best first, without the word itself.

        Raises:
            DataError: A word is unknown.
            OptionError: An option is out of range.
        """
        return self._answers([[word] for word in words], [[]] * len(words), top_k=top_k, vocabulary=vocabulary)

    @overload
    def analogy(
        self, a: str, b: str, c: str, *, method: str = ..., vocabulary: int | None = ..., top_k: int = ...
    ) -> Neighbors: ...

    @overload
    def analogy(
        self,
        a: list[str],
        b: list[str],
        c: list[str],
        *,
        method: str = ...,
        vocabulary: int | None = ...,
        top_k: int = ...,
    ) -> list[Neighbors]: ...

    def analogy(
        self,
        a: str | list[str],
        b: str | list[str],
        c: str | list[str],
        *,
        method: str = "3cosadd",
        vocabulary: int | None = None,
        top_k: int = 10,
    ) -> Neighbors | list[Neighbors]:
        """Complete a : b = c : ?, one question or many at once.

        Args:
            a: Such as ``man``; a word, or the words of N questions.
            b: Such as ``woman``.
            c: Such as ``king``.
            method: One of `METHODS`, as in `most_similar`.
            vocabulary: Choose among the first so many words; by default among all.
            top_k: Words to return a question, at most.

        Returns:
            Words with their scores, best first, without the three given ones; a list of such lists for many questions.

        Raises:
            DataError: A word is unknown.
            OptionError: An option is out of range, or the questions are not equally many.
        """
        if isinstance(a, str) and isinstance(b, str) and isinstance(c, str):
            return self._answers([[b, c]], [[a]], top_k=top_k, vocabulary=vocabulary, method=method)[0]
        if isinstance(a, str) or isinstance(b, str) or isinstance(c, str) or not len(a) == len(b) == len(c):
            raise OptionError("an analogy takes three words, or three equally long lists of words")
        added = [list(pair) for pair in zip(b, c, strict=True)]
        return self._answers(added, [[word] for word in a], top_k=top_k, vocabulary=vocabulary, method=method)

    def similarity(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Cosines of pairs of words, from -1 to 1, (N,); 0 with a vector of zeros.

        Raises:
            DataError: A word is unknown.
        """
        if not pairs:
            return np.zeros(0, np.float32)
        vectors = unit_length(self._vectors([word for pair in pairs for word in pair]))
        first, second = vectors.reshape(len(pairs), 2, -1).transpose(1, 0, 2)  # (N, D) each
        return (first * second).sum(axis=1)

    @overload
    def odd_one_out(self, words: Sequence[str]) -> str: ...  # type: ignore[overload-overlap]  # a string is a sequence

    @overload
    def odd_one_out(self, words: Sequence[Sequence[str]]) -> list[str]: ...

    def odd_one_out(self, words: Sequence[str] | Sequence[Sequence[str]]) -> str | list[str]:
        """The word that fits the others least: the one farthest by cosine from the mean of all, each of length 1.

        Args:
            words: Three words or more; or several such lists.

        Returns:
            A word, or one of each list.

        Raises:
            DataError: A word is unknown.
            OptionError: A list has fewer than three words.
        """
        if words and not isinstance(words[0], str):
            return [self.odd_one_out(group) for group in words]
        group = [str(word) for word in words]
        if len(group) < 3:
            raise OptionError(f"the odd one out is looked for among three words or more, not {len(group)}")
        vectors = unit_length(self._vectors(group))
        cosines = vectors @ unit_length(vectors.mean(axis=0))
        return min(zip(cosines.tolist(), group, strict=True))[1]

    def half(self) -> WordVectors:
        """The same vectors in half precision, which halves memory and file."""
        return WordVectors.of(self.table._replace(matrix=self.matrix.astype(np.float16)))

    @classmethod
    def load(cls, name: str | Path, *, dtype: str = "float32", memory_map: bool = False) -> WordVectors:
        """Load the vectors of a snapshot.

        Args:
            name: What `tsugiki.load` takes, of the family ``word-vectors`` or ``fasttext``.
            dtype: ``float32``, or ``auto`` for the matrix as it is stored.
            memory_map: Leave the matrix in its file (``word-vectors`` only). It opens at once, whatever its size, is
                read where queries need it, and is checked for NaN when first asked.

        Raises:
            DataError: It holds no word vectors.
            TsugikiError: There is no such model, or its snapshot is damaged.
        """
        from .vectors_of_models import load_vectors, map_vectors

        return cls.of(map_vectors(name) if memory_map else load_vectors(name, dtype=dtype))

    @classmethod
    def from_model(cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> WordVectors:
        """The vectors of a model of the family ``word-vectors`` or ``fasttext``, without those of special tokens."""
        from .vectors_of_models import vectors_of_model

        return cls.of(vectors_of_model(model, tokenizer))

    def to_model(self) -> tuple[WordVectorsModel, PreTrainedTokenizerFast]:
        """A model of the family ``word-vectors`` and its tokenizer.

        Words called ``<pad>`` and ``<unk>`` give way to the tokenizer's own tokens, whose vectors are zero.
        """
        from .vectors_of_models import model_of_vectors

        return model_of_vectors(self.table)

    def save(self, folder: str | Path) -> None:
        """Write a snapshot folder that `tsugiki.load`, ``AutoModel`` and ``AutoTokenizer`` read; whole or not at all.

        Raises:
            OutputError: The folder exists, or cannot be written.
        """
        from tsugiki.output import atomic_folder
        from tsugiki.snapshots.saving import save_part

        model, tokenizer = self.to_model()
        with atomic_folder(folder) as partial:
            for part in (model, tokenizer):
                save_part(part, partial)

    @classmethod
    def from_file(
        cls, path: str | Path, *, format: str | None = None, limit: int | None = None, unicode_errors: str = "strict"
    ) -> WordVectors:
        """Read a file of another program; see `tsugiki_embeddings.vectors.interchange.read_vectors`."""
        from .interchange import read_vectors

        return cls.of(read_vectors(path, format=format, limit=limit, unicode_errors=unicode_errors))

    def to_file(self, path: str | Path, format: str | None = None, *, overwrite: bool = False) -> None:
        """Write a file for other programs; see `tsugiki_embeddings.vectors.interchange.write_vectors`."""
        from .interchange import write_vectors

        write_vectors(self.table, path, format=format, overwrite=overwrite)

    @classmethod
    def from_gensim(cls, keyed_vectors: KeyedVectors | Any) -> WordVectors:
        """Take over gensim's `KeyedVectors`, or those of a gensim model."""
        from .interchange import from_gensim

        return cls.of(from_gensim(keyed_vectors))

    def to_gensim(self) -> KeyedVectors:
        """The same vectors as gensim's `KeyedVectors`."""
        from .interchange import to_gensim

        return to_gensim(self.table)

    def _vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32 (N, D) of words, those outside the vocabulary composed where that is possible."""
        unknown = [word for word in dict.fromkeys(words) if word not in self.index]
        if unknown and self._compose is None:
            raise unknown_words(unknown, self.words)
        rows = np.fromiter((self.index.get(word, 0) for word in words), np.int64, len(words))
        vectors = np.asarray(self.matrix[rows], np.float32)
        if unknown and self._compose is not None:
            made = np.asarray(self._compose([plain_word(word) for word in unknown]), np.float32)  # (U, D)
            if empty := [word for word, vector in zip(unknown, made, strict=True) if not vector.any()]:
                raise unknown_words(empty, self.words)
            places = {word: place for place, word in enumerate(unknown)}
            for place, word in enumerate(words):
                if word in places:
                    vectors[place] = made[places[word]]
        return vectors

    def _answers(
        self,
        positive: Sequence[Sequence[str]],
        negative: Sequence[Sequence[str]],
        *,
        top_k: int,
        vocabulary: int | None,
        method: str = "3cosadd",
    ) -> list[Neighbors]:
        """Answer queries that have equally many positive words each, and equally many negative ones."""
        check_query(top_k, vocabulary, method)
        if not positive:
            return []
        queries = [[*added, *removed] for added, removed in zip(positive, negative, strict=True)]
        words = [word for query in queries for word in query]
        vectors = self._vectors(words).reshape(len(queries), -1, self.dimension)  # (B, P + N, D)
        given = np.fromiter((self.index.get(word, -1) for word in words), np.int64, len(words))
        rows, scores = nearest_rows(
            self.matrix[:vocabulary],
            self.norms[:vocabulary],
            vectors[:, : len(positive[0])],
            vectors[:, len(positive[0]) :],
            given.reshape(len(queries), -1),
            top_k=top_k,
            method=method,
        )
        return [
            [(self.words[row], score) for row, score in zip(*answer, strict=True) if score != -np.inf]
            for answer in zip(rows.tolist(), scores.tolist(), strict=True)
        ]
