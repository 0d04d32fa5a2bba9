"""The arithmetic of SCDV in NumPy and SciPy: clusters of words, document frequencies, sparse document vectors.

What `scdv.SCDVModel` computes a batch at a time, densely and with gradients, is computed here for a whole corpus, one
document after the other, of which only the entries above the threshold are kept.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tsugiki.errors import DataError, OptionError, did_you_mean

from ..words.word_tokenizer import SPECIAL

Floats = NDArray[np.float32]
Covariance = Literal["full", "tied", "diag", "spherical"]
Idf = Literal["plain", "smooth", "none"]

COVARIANCES: tuple[str, ...] = get_args(Covariance)
IDF_SCHEMES: tuple[str, ...] = get_args(Idf)
FAINT = 1e-7  # a share of a word in a cluster below this is zero: below float32's precision of a whole one
GMM_ITERATIONS = 50


@dataclass(frozen=True)
class WordTopics:
    """What SCDV knows of words; all it takes to turn counts of words into document vectors.

    Attributes:
        vectors: Word vectors (V, D).
        clusters: p(C_k | w) (V, K).
        idf: What each word counts (V,).
    """

    vectors: Floats
    clusters: Floats
    idf: Floats

    @property
    def document_size(self) -> int:
        """K D."""
        return self.vectors.shape[1] * self.clusters.shape[1]


def check_choices(covariance: str, idf: str, sparsity: float, max_df: float) -> None:
    """Refuse choices that mean nothing.

    Raises:
        OptionError: Names the nearest that exists, or the range.
    """
    for name, value, choices in (("covariance_type", covariance, COVARIANCES), ("idf", idf, IDF_SCHEMES)):
        if value not in choices:
            raise OptionError(
                f"{name} must be one of {', '.join(choices)}, not {value!r}.{did_you_mean(str(value), choices)}"
            )
    if not 0 <= sparsity < 1:
        raise OptionError(f"sparsity is a share from 0 to below 1, such as 0.04 for 4 %, not {sparsity}")
    if not 0 < max_df <= 1:
        raise OptionError(f"max_df is a share above 0 and at most 1, not {max_df}")


def check_words(words: int, num_clusters: int) -> None:
    """Refuse more clusters than words.

    Raises:
        DataError: There are fewer words.
    """
    if words < num_clusters:
        raise DataError(
            f"{num_clusters} clusters need at least as many words, and there are {words}; give more text, a lower "
            "min_count, or fewer clusters"
        )


def count_words(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], vocab_size: int, *, sublinear: bool = False
) -> csr_array:
    """How often each word stands in each document.

    Args:
        tokens: Word numbers of all documents, one after the other (T,).
        offsets: Where each document starts, and the end (N + 1,).
        vocab_size: V; greater than every number.
        sublinear: Give 1 + ln of it.

    Returns:
        float32 (N, V), sorted and without duplicates.
    """
    ones = np.ones(len(tokens), np.float32)
    # Copies, for scipy sums up duplicates in the very arrays that it is given.
    counts = csr_array((ones, tokens, offsets), shape=(len(offsets) - 1, vocab_size), copy=True)
    counts.sum_duplicates()
    if sublinear:
        counts.data = 1 + np.log(counts.data)
    return counts


def document_frequency_weights(counts: csr_array, scheme: str = "plain") -> Floats:
    """Inverse document frequency of each word.

    Args:
        counts: (N, V).
        scheme: ``plain`` is the paper's ln(N / df), 0 for words of no document; ``smooth`` scikit-learn's
            ln((1 + N) / (1 + df)) + 1; ``none`` is 1.

    Returns:
        float32 (V,).
    """
    documents, words = counts.shape
    if scheme == "none":
        return np.ones(words, np.float32)
    frequencies = np.bincount(counts.indices, minlength=words).astype(np.float64)
    if scheme == "smooth":
        return (np.log((1 + documents) / (1 + frequencies)) + 1).astype(np.float32)
    return np.where(frequencies > 0, np.log(documents / np.maximum(frequencies, 1)), 0).astype(np.float32)


def soft_clusters(
    vectors: Floats,
    num_clusters: int,
    *,
    covariance: str = "tied",
    seed: int = 0,
    iterations: int = GMM_ITERATIONS,
) -> Floats:
    """p(C_k | w) of every word under a mixture of Gaussians fitted to the word vectors by EM from k-means.

    Args:
        vectors: (V, D), V at least `num_clusters`.
        num_clusters: K.
        covariance: ``full``, ``tied`` (one for all clusters), ``diag`` or ``spherical``.
        seed: Of the k-means that EM starts from.
        iterations: EM steps at most.

    Returns:
        float32 (V, K), rows that sum to 1 up to what is left out below 1e-7.

    Raises:
        DataError: There are more clusters than words.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    check_words(len(vectors), num_clusters)
    mixture = GaussianMixture(num_clusters, covariance_type=covariance, max_iter=iterations, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # EM stopped early is as good a clustering
        mixture.fit(vectors)
    shares = mixture.predict_proba(vectors).astype(np.float32)
    shares[shares < FAINT] = 0
    return shares


def document_sums(counts: csr_array, words: WordTopics) -> Iterator[tuple[Floats, float]]:
    """What each document's words add up to, one document after the other.

    Args:
        counts: How often each word stands in each document (N, V).
        words: Of the same V.

    Yields:
        The sum (K D,), which the next document overwrites, and its length, 0 where no word is known.
    """
    weighted = words.clusters * words.idf[:, None]  # (V, K)
    longest = int(np.diff(counts.indptr).max(initial=0))
    # Written into again and again: fresh memory for each document would cost as much as the product.
    shares = np.empty((longest, weighted.shape[1]), np.float32)
    vectors = np.empty((longest, words.vectors.shape[1]), np.float32)
    product = np.empty((weighted.shape[1], words.vectors.shape[1]), np.float32)
    total = product.reshape(-1)
    for start, stop in itertools.pairwise(counts.indptr.tolist()):
        numbers, known = counts.indices[start:stop], slice(stop - start)
        np.take(weighted, numbers, axis=0, out=shares[known], mode="clip")  # the default would copy once more
        np.take(words.vectors, numbers, axis=0, out=vectors[known], mode="clip")
        shares[known] *= counts.data[start:stop, None]
        np.matmul(shares[known].T, vectors[known], out=product)  # (K, L) x (L, D)
        yield total, math.sqrt(total @ total)


def sparsity_threshold(counts: csr_array, words: WordTopics, sparsity: float) -> float:
    """Below which size an entry of a document vector is zero (section 3 of the paper, equations 3 to 5).

    Args:
        counts: Of the training documents (N, V).
        words: Of the same V.
        sparsity: p as a share, such as 0.04.

    Returns:
        p (|mean of the documents' least entries| + |mean of their greatest|) / 2.
    """
    if sparsity == 0 or counts.shape[0] == 0:
        return 0.0
    least = greatest = 0.0
    for total, length in document_sums(counts, words):
        if length:
            least += float(total.min()) / length
            greatest += float(total.max()) / length
    return sparsity * (abs(least) + abs(greatest)) / (2 * counts.shape[0])


def fit_topics(
    counts: csr_array,
    vectors: Floats,
    *,
    num_clusters: int,
    covariance: str = "tied",
    idf: str = "plain",
    max_document_share: float = 1.0,
    center: bool = False,
    sparsity: float = 0.04,
    seed: int = 0,
) -> tuple[WordTopics, float]:
    """Everything that SCDV learns once there are word vectors.

    Args:
        counts: How often each word stands in each training document (N, V).
        vectors: (V, D); the rows of special tokens count nothing.
        num_clusters: K.
        covariance: As `soft_clusters` takes it.
        idf: As `document_frequency_weights` takes it.
        max_document_share: Words that stand in more than this share of the documents count nothing.
        center: Take the mean of the words' vectors away first (Mu and Viswanath 2018): it tells no word from another.
        sparsity: As `sparsity_threshold` takes it.
        seed: Of the clusters.

    Returns:
        What is known of words, and the threshold.

    Raises:
        DataError: There are more clusters than words, or a vector is not finite.
    """
    if not np.isfinite(vectors).all():
        raise DataError("the word vectors hold numbers that are not finite; train them anew with a lower rate")
    vectors = vectors.copy()
    vectors[:SPECIAL] = 0
    if center:
        vectors[SPECIAL:] -= vectors[SPECIAL:].mean(0)
    clusters = np.zeros((len(vectors), num_clusters), np.float32)
    clusters[SPECIAL:] = soft_clusters(vectors[SPECIAL:], num_clusters, covariance=covariance, seed=seed)
    weights = document_frequency_weights(counts, idf)
    weights[:SPECIAL] = 0
    if max_document_share < 1:
        frequencies = np.bincount(counts.indices, minlength=counts.shape[1])
        weights[frequencies > max_document_share * counts.shape[0]] = 0
    topics = WordTopics(vectors, clusters, weights)
    return topics, sparsity_threshold(counts, topics, sparsity)


def sparse_document_vectors(counts: csr_array, words: WordTopics, threshold: float) -> csr_array:
    """Document vectors, of which only entries of at least `threshold` are stored.

    Args:
        counts: How often each word stands in each document (N, V).
        words: Of the same V.
        threshold: At least 0.

    Returns:
        float32 (N, K D).
    """
    values: list[Floats] = []
    columns: list[NDArray[np.int32]] = []
    for total, length in document_sums(counts, words):
        kept = np.flatnonzero(np.abs(total) >= threshold * length if threshold and length else total)
        values.append(total[kept] / np.float32(length or 1))
        columns.append(kept.astype(np.int32))
    places = np.cumsum([0, *map(len, columns)], dtype=np.int64)
    data = np.concatenate([np.empty(0, np.float32), *values])
    values.clear()  # so that no more than one copy of either stands beside the result
    indices = np.concatenate([np.empty(0, np.int32), *columns])
    columns.clear()
    if places[-1] <= np.iinfo(np.int32).max:
        places = places.astype(np.int32)
    return csr_array((data, indices, places), shape=(counts.shape[0], words.document_size))
