"""The pictures of the tasks on words: similarities as a cloud of points, analogies as a bar for each category."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tsugiki.task import Picture

SIMILARITY, ANALOGIES = "word_similarity.png", "word_analogies.png"
DOTS_PER_INCH = 120


def draw_similarities(cosines: NDArray[np.number], scores: NDArray[np.number], asked: int, folder: Path) -> Picture:
    """Draw the cosines of pairs over the scores that people gave them.

    Args:
        cosines: Of the pairs with known words (N,).
        scores: Theirs (N,).
        asked: Pairs in all.
        folder: Where the file goes.
    """
    figure = Figure(figsize=(5.0, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.scatter(scores, cosines, s=9, alpha=0.5, linewidths=0)
    axes.set_xlabel("score by people")
    axes.set_ylabel("cosine of the vectors")
    figure.savefig(folder / SIMILARITY, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(
        SIMILARITY, f"Cosine and human score of the {len(cosines):,} pairs, of {asked:,}, whose words are both known."
    )


def draw_categories(
    names: Sequence[str],
    categories: NDArray[np.int64],
    counted: NDArray[np.bool_],
    correct: NDArray[np.bool_],
    folder: Path,
) -> Picture:
    """Draw the accuracy on the questions of each category, those without a counted one left out.

    Args:
        names: Of the categories, by number.
        categories: Of the questions (N,).
        counted: Whether a question's words are all known (N,).
        correct: Whether it was answered right (N,).
        folder: Where the file goes.
    """
    answered = np.bincount(categories[counted], minlength=len(names))
    right = np.bincount(categories[counted & correct], minlength=len(names))
    shown = np.flatnonzero(answered)[::-1]  # bars are drawn from below
    shares = 100 * right[shown] / answered[shown]
    figure = Figure(figsize=(6.5, 0.9 + 0.27 * len(shown)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(np.arange(len(shown)), shares)
    axes.bar_label(bars, [f"{share:.0f}" for share in shares], fontsize=8, padding=2)
    axes.set_yticks(np.arange(len(shown)))
    axes.set_yticklabels([f"{names[row]} ({answered[row]:,})" for row in shown], fontsize=8, parse_math=False)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% right")
    figure.savefig(folder / ANALOGIES, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(
        ANALOGIES,
        "Analogies answered right in each category, in brackets the number of questions whose words are all known.",
    )
