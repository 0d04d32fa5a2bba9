"""SCDV written out from the paper's algorithm 1, a dictionary of dense word-topic vectors and a loop over words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TEXTS = [
    "the cat sat on the mat and the cat slept",
    "a dog and a cat ran over the mat",
    "stocks fell and the market closed lower on friday",
    "the market rose as stocks and bonds gained",
    "dogs ran and cats slept on the mat",
    "bonds fell on friday as the market closed",
] * 4
LABELS = [0, 0, 1, 1, 0, 1] * 4


def word_topic_vectors(vectors: np.ndarray, clusters: np.ndarray, idf: np.ndarray) -> dict[int, np.ndarray]:
    """Of each word its vector times p(C_k | w), for one k after the other, times its idf."""
    made = {}
    for word in range(len(vectors)):
        parts = [clusters[word, k] * vectors[word] for k in range(clusters.shape[1])]
        made[word] = idf[word] * np.concatenate(parts)
    return made


def dense_documents(documents: Sequence[Sequence[int]], topics: dict[int, np.ndarray]) -> np.ndarray:
    """The sum over a document's words, at length 1."""
    rows = []
    for words in documents:
        row = np.zeros(len(topics[0]))
        for word in words:
            row += topics[word]
        length = np.sqrt((row**2).sum())
        rows.append(row / length if length else row)
    return np.array(rows)


def threshold_of(documents: np.ndarray, share: float) -> float:
    """Equations 3 to 5."""
    least = np.mean([row.min() for row in documents])
    greatest = np.mean([row.max() for row in documents])
    return share * (abs(least) + abs(greatest)) / 2


def cut(documents: np.ndarray, threshold: float) -> np.ndarray:
    """Everything nearer to zero than the threshold set to zero."""
    return np.where(np.abs(documents) < threshold, 0, documents)
