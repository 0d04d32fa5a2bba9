"""The t-SNE behind `tsugiki map` beside scikit-learn's: how well neighbours stay neighbours, and time.

    python benchmarks/tsne_map.py [--points 10000] [--data ylecun/mnist] [--seeds 1] [--jobs 2] [--words NAME]

Two figures are given for each map, on the same points. True, which is what is compared: the share of points whose
nearest neighbour on the map is also their nearest in high dimension. Class, beside it: the share whose nearest
neighbour on the map is of the same class (handwritten digits; with --words there are none). Both maps start from the
same 50 principal components, with a perplexity of 30. The time is that of the whole map, neighbours and principal
components included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from tsugiki.data.load_data import load_split
from tsugiki_embeddings.maps.tsne_map import (
    COMPONENTS,
    class_agreement,
    neighbor_agreement,
    principal_components,
    tsne_positions,
    unit_rows,
)

Rows = NDArray[np.float32]


def digits(data: str, points: int) -> tuple[Rows, NDArray[np.int64]]:
    """Pictures as rows (N, pixels) from 0 to 1, the first ones of the test part, and their classes (N,)."""
    dataset = load_split(data, "test")
    if len(dataset) > points:
        dataset = dataset.select(range(points))
    rows = np.stack([np.asarray(picture, np.float32).ravel() for picture in dataset["image"][:]]) / 255
    return rows, np.asarray(dataset["label"][:])


def word_rows(name: str, points: int) -> Rows:
    """The vectors of the most frequent words with length 1 (N, D)."""
    from tsugiki_embeddings.vectors.word_vectors import WordVectors

    return unit_rows(WordVectors.load(name).matrix[:points])


def sklearn_positions(rows: Rows, *, seed: int, jobs: int) -> NDArray[np.floating]:
    """scikit-learn's map of the same principal components, with its own defaults."""
    data = principal_components(rows, COMPONENTS)
    return TSNE(perplexity=30.0, init="pca", random_state=seed, n_jobs=jobs).fit_transform(data)


def measure(
    title: str, rows: Rows, classes: NDArray[np.int64] | None, make: Callable[[int], NDArray[np.floating]], seeds: int
) -> tuple[float, float]:
    """Make a map for each seed; print and return the mean of the two agreements (class: NaN without classes)."""
    figures = []
    for seed in range(seeds):
        started = time.perf_counter()
        positions = make(seed)
        seconds = time.perf_counter() - started
        same = float("nan") if classes is None else class_agreement(classes, positions)
        figures.append((same, neighbor_agreement(principal_components(rows, COMPONENTS), positions)))
        print(
            f"{title:14} seed {seed}  class {figures[-1][0]:.4f}  true {figures[-1][1]:.4f}  {seconds:7.1f} s",
            flush=True,
        )
    same, true = np.mean(figures, axis=0)
    return float(same), float(true)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--data", default="ylecun/mnist", help="pictures with labels; their test part is used")
    parser.add_argument("--words", help="word vectors to map instead")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="threads")
    options = parser.parse_args()
    classes: NDArray[np.int64] | None
    if options.words:
        rows, classes = word_rows(options.words, options.points), None
    else:
        rows, classes = digits(options.data, options.points)
    print(f"{len(rows):,} points of {rows.shape[1]} numbers, {options.jobs} threads")
    ours = measure(
        "tsugiki map", rows, classes, lambda seed: tsne_positions(rows, seed=seed, jobs=options.jobs), options.seeds
    )
    theirs = measure(
        "scikit-learn", rows, classes, lambda seed: sklearn_positions(rows, seed=seed, jobs=options.jobs), options.seeds
    )
    for name, mine, other in zip(("class", "true"), ours, theirs, strict=True):
        if not np.isnan(mine):
            print(f"{name}: {mine:.4f} against {other:.4f}: {'at least as good' if mine >= other else 'LESS'}")


if __name__ == "__main__":
    main()
