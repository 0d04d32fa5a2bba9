"""Maps of words and documents: t-SNE brings vectors into the plane (van der Maaten and Hinton 2008).

The positions come from openTSNE (Policar, Strazar and Zupan 2024), which approximates the forces between the points by
a tree (van der Maaten 2014), or for very many points by interpolation on a grid (Linderman et al. 2019). The neighbours
in high dimension are exact here: at ten thousand points they cost seconds, and a map is the same on every run.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError

if TYPE_CHECKING:
    from ..vectors.word_vectors import WordVectors

FEWEST = 4  # points of a map
PERPLEXITY = 30.0
COMPONENTS = 50  # principal components that t-SNE looks at (van der Maaten and Hinton 2008 take 30)
CLUSTERS = 10  # colours of a map of words
NAMING = 3  # words that name a cluster
GRID_FROM = 20_000  # points
BLOCK = 1024  # rows of distances that are held at a time


@dataclass(frozen=True)
class Map:
    """Points in the plane with what is known of them, the most important first.

    Attributes:
        title: What it is a map of.
        positions: (N, 2).
        labels: What is written beside a point (N); empty for a point without a name.
        details: What is shown of a point that is pointed at (N).
        groups: Number of each point's group (N,), which gives its colour.
        group_names: Names of the groups, by number.
        marked: Points that stand out.
    """

    title: str
    positions: NDArray[np.float64]
    labels: Sequence[str]
    details: Sequence[str]
    groups: NDArray[np.int64]
    group_names: Sequence[str]
    marked: Sequence[int] = field(default=())


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (N, D) with length 1; zeros stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def tsne_positions(
    rows: NDArray[np.floating], *, perplexity: float = PERPLEXITY, seed: int = 0, iterations: int = 1000, jobs: int = 1
) -> NDArray[np.float64]:
    """Positions in the plane in which near rows lie near each other.

    Args:
        rows: (N, D), N at least 4, every number finite. Euclidean distances count: give unit rows for cosines.
        perplexity: About how many neighbours a point has; lowered where there are not three times as many points.
        seed: Of the initial layout's noise.
        iterations: Steps after the 250 of early exaggeration.
        jobs: Threads; the same seed gives the same map for the same number.

    Returns:
        (N, 2).

    Raises:
        DataError: There are too few points, or a number is not finite.
        OptionError: The perplexity or the number of steps is out of range.
    """
    if rows.ndim != 2 or len(rows) < FEWEST:
        raise DataError(f"a map takes at least {FEWEST} points, not {len(rows)}")
    if not np.isfinite(rows).all():
        raise DataError(f"row {int(np.flatnonzero(~np.isfinite(rows).all(1))[0])} of the vectors is not finite")
    if not perplexity > 1 or iterations < 1:
        raise OptionError(f"perplexity must be above 1 and iterations at least 1, not {perplexity} and {iterations}")
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    data = principal_components(rows, COMPONENTS)
    perplexity = min(perplexity, (len(data) - 1) / 3)
    neighbors, distances = nearest_neighbors(data, min(len(data) - 1, int(3 * perplexity)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own making: deprecations in what it calls
        affinities = PerplexityBasedNN(
            perplexity=perplexity, knn_index=PrecomputedNeighbors(neighbors, distances), n_jobs=jobs, random_state=seed
        )
        embedding = TSNEEmbedding(
            _start(data, seed), affinities, negative_gradient_method=_method(len(data)), n_jobs=jobs
        )
        embedding = embedding.optimize(250, exaggeration=12, momentum=0.5)
        embedding = embedding.optimize(iterations, momentum=0.8)
    return np.asarray(embedding, dtype=np.float64)


def _start(data: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """The first two principal components, far smaller than the map will be, with so little noise that equal rows part.

    So the large-scale order is that of the data (Kobak and Berens 2019, The art of using t-SNE).
    """
    spread = float(data[:, 0].std(dtype=np.float64)) or 1.0
    noise = np.random.default_rng(seed).normal(scale=1e-6, size=(len(data), 2))
    return 1e-4 * data[:, :2].astype(np.float64) / spread + noise


def _method(points: int) -> str:
    """A tree up to some tens of thousands of points, where it costs less and errs less than a grid."""
    return "bh" if points < GRID_FROM else "fft"


def principal_components(rows: NDArray[np.floating], most: int) -> NDArray[np.float32]:
    """Scores of the rows (N, D) on their first principal components, (N, at most `most`, at least 2)."""
    centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)  # ascending; (D, D)
    axes = axes[:, ::-1][:, :most]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)  # a sign for good
    scores = centred @ axes
    if scores.shape[1] == 1:
        scores = np.concatenate([scores, np.zeros_like(scores)], axis=1)
    return scores.astype(np.float32)


def nearest_neighbors(rows: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest other rows of each row and their Euclidean distances, nearest first, (N, count) each; exact."""
    squares = (rows.astype(np.float64) ** 2).sum(1)
    neighbors = np.empty((len(rows), count), np.int64)
    distances = np.empty((len(rows), count))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        squared = squares[start : start + BLOCK, None] + squares - 2.0 * (block @ rows.T)  # (BLOCK, N)
        squared[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        nearest = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(squared, nearest, axis=1).argsort(axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, axis=1)
        neighbors[start : start + BLOCK] = nearest
        distances[start : start + BLOCK] = np.sqrt(np.maximum(np.take_along_axis(squared, nearest, axis=1), 0))
    return neighbors, distances


def neighbor_agreement(rows: NDArray[np.floating], positions: NDArray[np.floating]) -> float:
    """Share of points whose nearest neighbour on the map is their nearest in high dimension."""
    high = nearest_neighbors(np.asarray(rows, np.float32), 1)[0][:, 0]
    return float((nearest_neighbors(np.asarray(positions, np.float32), 1)[0][:, 0] == high).mean())


def class_agreement(classes: NDArray[np.integer], positions: NDArray[np.floating]) -> float:
    """Share of points whose nearest neighbour on the map is of their class (1-nearest-neighbour accuracy)."""
    nearest = nearest_neighbors(np.asarray(positions, np.float32), 1)[0][:, 0]
    return float((classes[nearest] == classes).mean())


def map_of_words(
    vectors: WordVectors, words: Sequence[str], *, title: str, marked: str | None = None, **options: Any
) -> Map:
    """A map of some words; colours are clusters of their vectors, named after the words nearest to the middle.

    Args:
        vectors: The word vectors.
        words: Known words, the most important first.
        title: What the map is called.
        marked: A word that stands out.
        **options: Of `tsne_positions`.

    Raises:
        DataError: There are too few words.
    """
    rows = unit_rows(vectors.matrix[[vectors.index[word] for word in words]])
    positions = tsne_positions(rows, **options)
    groups, names = _clusters(rows, words, seed=int(options.get("seed", 0)))
    counts = None if vectors.counts is None else [int(vectors.counts[vectors.index[word]]) for word in words]
    details = [""] * len(words) if counts is None else [f"{count:,} times in the corpus" for count in counts]
    stand_out = [] if marked is None else [list(words).index(marked)]
    return Map(title, positions, words, details, groups, names, stand_out)


def _clusters(rows: NDArray[np.float32], words: Sequence[str], *, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """Groups of words by k-means, numbered by falling size, and their names."""
    from sklearn.cluster import KMeans

    found = KMeans(min(CLUSTERS, max(1, len(words) // 10)), n_init=3, random_state=seed).fit(rows)
    order = np.bincount(found.labels_).argsort(kind="stable")[::-1]
    names = []
    for cluster in order:
        members = np.flatnonzero(found.labels_ == cluster)
        nearest = (rows[members] @ found.cluster_centers_[cluster]).argsort(kind="stable")[::-1][:NAMING]
        names.append(", ".join(words[row] for row in members[nearest]))
    return order.argsort()[found.labels_].astype(np.int64), names


def map_of_documents(
    rows: NDArray[np.floating],
    texts: Sequence[str],
    *,
    title: str,
    classes: NDArray[np.integer] | None = None,
    class_names: Sequence[str] = (),
    **options: Any,
) -> Map:
    """A map of documents; colours are their classes, and the name of each class stands at one point of it.

    Args:
        rows: Their vectors (N, D); documents whose vector is zero, without a known word, are left out.
        texts: The documents (N).
        title: What the map is called.
        classes: Class of each document (N,), if there are some.
        class_names: Names of the classes.
        **options: Of `tsne_positions`.

    Raises:
        DataError: There are too few documents.
    """
    kept = np.flatnonzero(np.linalg.norm(rows, axis=1) > 0)
    positions = tsne_positions(unit_rows(rows[kept]), **options)
    groups = np.zeros(len(kept), np.int64) if classes is None else np.asarray(classes)[kept].astype(np.int64)
    labels = [""] * len(kept)
    if classes is not None:
        for group, name in enumerate(class_names):
            members = np.flatnonzero(groups == group)
            if len(members):
                middle = np.median(positions[members], axis=0)
                labels[members[((positions[members] - middle) ** 2).sum(1).argmin()]] = name
    named = sorted(range(len(kept)), key=lambda row: not labels[row])  # the points with names first
    return Map(
        title,
        positions[named],
        [labels[row] for row in named],
        [shortened(texts[kept[row]]) for row in named],
        groups[named],
        list(class_names) if classes is not None else [""],
    )


def shortened(text: str, length: int = 240) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else line[: length - 1] + "…"
