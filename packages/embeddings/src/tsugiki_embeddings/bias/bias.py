"""How much gender word vectors carry where they should not.

- The gender direction and the direct bias of words along it: Bolukbasi et al. 2016, Man is to computer programmer as
  woman is to homemaker?, sections 4.1 and 5.2.
- WEAT, an association test of two sets of words with two others: Caliskan et al. 2017, Semantics derived automatically
  from language corpora contain human-like biases.
- How well the words that were most biased are still told apart by 2-means: Gonen and Goldberg 2019, Lipstick on a pig.

All of them look at directions only: every vector counts with length 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError

from .bias_lists import WeatTest, known_pairs, known_words

if TYPE_CHECKING:
    from ..vectors.word_vectors import WordVectors

EXACT_PARTITIONS = 20_000  # up to here every partition is tried: 8 words against 8 have 12,870


@dataclass(frozen=True)
class GenderDirection:
    """The direction in which pairs such as (she, he) differ.

    Attributes:
        vector: float64 (D,), of length 1, pointing at the first words of the pairs.
        explained: Share of the pairs' variance along each principal component, largest first.
        pairs: The pairs that the vocabulary has.
    """

    vector: NDArray[np.float64]
    explained: NDArray[np.float64]
    pairs: list[tuple[str, str]]


@dataclass(frozen=True)
class WeatResult:
    """What a WEAT test says.

    Attributes:
        name: The test's name.
        effect_size: From -2 to 2; positive if the first targets go with the first attributes.
        p_value: Share of the partitions of the targets whose association is at least as strong; one-sided.
        partitions: How many were tried.
        exact: Whether these are all there are.
        found: How many words of the four lists the vocabulary has.
        asked: How many there are.
    """

    name: str
    effect_size: float
    p_value: float
    partitions: int
    exact: bool
    found: int
    asked: int


def unit_rows(vectors: WordVectors, words: Sequence[str]) -> NDArray[np.float64]:
    """The vectors of known words with length 1, (N, D)."""
    rows = vectors.matrix[[vectors.index[word] for word in words]].astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def gender_direction(vectors: WordVectors, pairs: Sequence[tuple[str, str]]) -> GenderDirection:
    """First principal component of the words of each pair around the pair's middle (Bolukbasi et al. 2016, 5.1).

    Args:
        vectors: The word vectors.
        pairs: Pairs such as (she, he); those with unknown words are left out.

    Raises:
        DataError: The vocabulary has no pair.
    """
    known = known_pairs(vectors.index, pairs)
    if not known:
        raise DataError("the vocabulary has none of the pairs that define gender; give pairs of words it has")
    first, second = (unit_rows(vectors, [pair[side] for pair in known]) for side in (0, 1))  # (P, D) each
    half = (first - second) / 2
    _, singular, components = np.linalg.svd(np.concatenate([half, -half]), full_matrices=False)
    if singular[0] == 0:
        raise DataError("the words of every pair that defines gender have the same vector; give other vectors")
    sign = 1.0 if (half @ components[0]).sum() >= 0 else -1.0
    return GenderDirection(sign * components[0], singular**2 / (singular**2).sum(), known)


def projections(vectors: WordVectors, words: Sequence[str], direction: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of known words with a direction (D,) of length 1, (N,)."""
    return unit_rows(vectors, words) @ direction.astype(np.float64)


def direct_bias(
    vectors: WordVectors, words: Sequence[str], direction: NDArray[np.floating], *, strictness: float = 1.0
) -> float:
    """Mean of |cos(w, g)| ** c over words that should have no gender (Bolukbasi et al. 2016, 5.2), from 0 to 1.

    Args:
        vectors: The word vectors.
        words: Words w; unknown ones are left out.
        direction: g (D,), of length 1.
        strictness: c.

    Raises:
        DataError: The vocabulary has none of the words.
    """
    known = known_words(vectors.index, words)
    if not known:
        raise DataError("the vocabulary has none of the words whose bias is asked for")
    return float((np.abs(projections(vectors, known, direction)) ** strictness).mean())


def weat(vectors: WordVectors, test: WeatTest, *, partitions: int = 10_000, seed: int = 0) -> WeatResult:
    """Measure how two sets of targets differ in their association with two sets of attributes.

    The effect size divides by the standard deviation of the targets taken as a whole population. The p-value counts
    partitions at least as strong as the one given, itself among them, so that it is never 0; the paper counts stronger
    ones. Sets that the vocabulary has only in part are compared as they are.

    Args:
        vectors: The word vectors.
        test: The sets.
        partitions: How many are drawn where there are more than 20,000.
        seed: Of the draws.

    Raises:
        DataError: The vocabulary has none of a set's words, or fewer than three targets.
    """
    sets = [test.first_targets, test.second_targets, test.first_attributes, test.second_attributes]
    known = [known_words(vectors.index, words) for words in sets]
    if not all(known) or len(known[0]) + len(known[1]) < 3:
        raise DataError(
            f"{test.name}: the vocabulary has {', '.join(str(len(words)) for words in known)} words of the four sets; "
            "each needs one, and the targets three together"
        )
    first, second, one, other = (unit_rows(vectors, words) for words in known)
    targets = np.concatenate([first, second])  # (n, D)
    association = (targets @ one.T).mean(1) - (targets @ other.T).mean(1)  # (n,)
    deviation = association.std()
    difference = association[: len(first)].mean() - association[len(first) :].mean()
    shares, exact = _partitions(len(association), len(first), partitions, seed)
    sums = shares @ association  # of the first part; the sum over both is always the same
    slack = 1e-12 * max(1.0, float(np.abs(association).sum()))  # for sums of the same numbers in another order
    return WeatResult(
        name=test.name,
        effect_size=float(difference / deviation) if deviation > 0 else 0.0,
        p_value=float((sums >= association[: len(first)].sum() - slack).mean()),
        partitions=len(shares),
        exact=exact,
        found=sum(map(len, known)),
        asked=sum(map(len, sets)),
    )


def _partitions(total: int, first: int, draws: int, seed: int) -> tuple[NDArray[np.float64], bool]:
    """Which targets are in the first part, 0 or 1 (partitions, total), the given one first; and whether that is all."""
    if math.comb(total, first) <= EXACT_PARTITIONS:
        chosen = np.array(list(itertools.combinations(range(total), first)))
    else:
        generator = np.random.default_rng(seed)
        drawn = [generator.permutation(total)[:first] for _ in range(draws)]
        chosen = np.array([np.arange(first), *drawn])
    shares = np.zeros((len(chosen), total))
    np.put_along_axis(shares, chosen, 1.0, axis=1)
    return shares, math.comb(total, first) <= EXACT_PARTITIONS


def most_biased(
    vectors: WordVectors,
    direction: NDArray[np.floating],
    *,
    count: int = 500,
    exclude: Collection[str] = (),
    frequent: int = 50_000,
) -> tuple[list[str], list[str]]:
    """The words furthest along a direction and those furthest against it.

    Args:
        vectors: The word vectors, words by falling count.
        direction: (D,), of length 1.
        count: Words on each side.
        exclude: Words that may be there by definition.
        frequent: Only so many of the most frequent words are looked at.

    Raises:
        OptionError: There are fewer than twice `count` words to choose from.
    """
    words = [word for word in vectors.words[:frequent] if word not in exclude]
    if count < 1 or len(words) < 2 * count:
        raise OptionError(f"{count} words on each side cannot be chosen out of {len(words)}; ask for fewer, at least 1")
    order = np.argsort(projections(vectors, words, direction), kind="stable")
    return [words[row] for row in order[::-1][:count]], [words[row] for row in order[:count]]


def two_means_accuracy(vectors: WordVectors, first: Sequence[str], second: Sequence[str], *, seed: int = 0) -> float:
    """Share of words that 2-means puts on the side they were on, from .5 (nothing left of it) to 1.

    Args:
        vectors: The word vectors, as a rule after debiasing.
        first: Words of one side.
        second: Words of the other.
        seed: Of the starts of 2-means, of which the best of ten counts.
    """
    from sklearn.cluster import KMeans

    rows = unit_rows(vectors, [*first, *second])
    clusters = KMeans(2, n_init=10, random_state=seed).fit_predict(rows)
    right = float((clusters == np.repeat([0, 1], [len(first), len(second)])).mean())
    return max(right, 1 - right)
