"""Short film reviews from few and from many rows: a base that has read, beside those that have not.

    python benchmarks/film_reviews.py [--rows 50 1000 all] [--scratch] [--base all-minilm-l6-v2]

Of the training part of `cornell-movie-review-data/rotten_tomatoes` so many rows are drawn, the same for all, as many of
either class. Its validation part is the test; nothing is chosen on it. Printed are the accuracy with Wilson's interval
and the seconds of:

- the base, fine-tuned by `tsugiki.finetune` as it comes, and the same network from fresh weights (`--scratch`);
- `sentiment-mean`, by its recipe: the mean of word vectors that the novels taught, a tenth of the rows held out;
- naive Bayes of words and pairs of words that scikit-learn fits (multinomial, add-one).
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tsugiki
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from tsugiki.data.load_data import load_split
from tsugiki.data.splitting import hold_out
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import Metric, counted_share
from tsugiki.recipes.prepared_recipe import prepare
from tsugiki.recipes.recipe import Recipe
from tsugiki.recipes.train_recipe import train_seed

DATA = "cornell-movie-review-data/rotten_tomatoes"
MEAN = Path(__file__).parents[1] / "hub_cards" / "sentiment-mean"
SEED = 0


def draw(data: Dataset, rows: int | None) -> NDArray[np.int64]:
    """Numbers of so many rows, half of either class; all where None."""
    if rows is None:
        return np.arange(len(data))
    labels, generator = np.asarray(data["label"]), np.random.default_rng(SEED)
    halves = [generator.permutation(np.flatnonzero(labels == label))[: rows // 2] for label in (0, 1)]
    return np.sort(np.concatenate(halves))


def naive_bayes(train: Dataset, test: Dataset) -> Metric:
    """Words and pairs of words, counted."""
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+")
    fitted = MultinomialNB().fit(words.fit_transform(train["text"][:]), train["label"][:])
    right = fitted.predict(words.transform(test["text"][:])) == np.asarray(test["label"])
    return counted_share(int(right.sum()), len(right))


def mean_of_vectors(rows: NDArray[np.int64]) -> Metric:
    """The recipe of `sentiment-mean` on these rows of the training part."""
    recipe = Recipe.read(MEAN)
    assert recipe.data is not None
    run = prepare(replace(recipe, data=replace(recipe.data, validation=None), evaluations=[]))
    table = run.train.select(torch.from_numpy(rows))
    kept, held = hold_out(table.labels, 0.1, seed=SEED)
    run.train, run.validation = table.select(kept), table.select(held)
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train_seed(run, SEED, Path(folder), progress=False)
    model.to("cpu")  # type: ignore[arg-type]
    return run.task.metrics(predict_table(model.eval(), run.evaluation, task=run.task))["accuracy"]


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=["50", "1000", "all"])
    parser.add_argument("--base", default="all-minilm-l6-v2")
    parser.add_argument("--depth", default="auto")
    parser.add_argument("--scratch", action="store_true", help="the same network from fresh weights too")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    train, test = load_split(DATA, "train"), load_split(DATA, "validation")
    for given in options.rows:
        rows = draw(train, None if given == "all" else int(given))
        some = train.select(rows)
        timed(given, "naive Bayes", lambda some=some: naive_bayes(some, test))
        timed(given, "sentiment-mean", lambda rows=rows: mean_of_vectors(rows))
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = tsugiki.finetune(
                options.base,
                some,
                test=test,
                output_dir=Path(folder, "model"),
                depth=options.depth,
                compare_scratch=options.scratch,
                progress=False,
            )
        show(given, f"{options.base}, depth {result.depth}", result.metrics["accuracy"], time.perf_counter() - began)
        if (fresh := result.report.scratch_metrics) is not None:
            show(given, "the same from scratch", fresh["accuracy"], result.report.seconds["scratch"])
        print(result.report, flush=True)


def timed(rows: str, name: str, measure: Callable[[], Metric]) -> None:
    """Measure and print."""
    began = time.perf_counter()
    metric = measure()
    show(rows, name, metric, time.perf_counter() - began)


def show(rows: str, name: str, metric: Metric, seconds: float) -> None:
    """One line."""
    share = f"{100 * metric.value:.1f} % [{100 * metric.low:.1f}, {100 * metric.high:.1f}]"
    print(f"{rows:>5} rows  {name:<36} {share}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
