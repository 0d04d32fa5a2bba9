"""Four classifiers of sentiment beside each other, and whether they hear more than words.

    python benchmarks/sentiment.py [--seeds 3] [--models mean lstm rae rntn] [--data mr sst] [--vectors NAME|none]

Models and trainings are those of the recipes in hub_cards/. Two data sets are used, each by itself, because the
sentences of the treebank (SST) are those of the reviews (MR): whoever trains on one has seen the answers of the other.

- MR: `cornell-movie-review-data/rotten_tomatoes`, two classes. Its validation part is the test here; what stops a
  training early is cut from the training part.
- SST: `tsugiki/sst_trees` in its official splits: five classes of the whole sentence, and two without the neutral ones,
  for which the probabilities of either side are added up. Mean, LSTM and autoencoder learn the labels of sentences, the
  tensor network those of all phrases, and the treebank's parse trees besides.

Figures are means over the seeds with a bootstrap 95 % interval over the test sentences, and the deviation of the seeds.
Every model then judges pairs of sentences that say the opposite in nearly the same words.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import mean_metric
from tsugiki.recipes.prepared_recipe import PreparedRecipe, prepare
from tsugiki.recipes.recipe import Recipe, RecipeData
from tsugiki.recipes.train_recipe import train_seed
from tsugiki_embeddings.sentiment.contrast_pairs import QUOTED, contrast_pairs, plain
from tsugiki_embeddings.sentiment.tree_classification import binary_answers, binary_truth

CARDS = Path(__file__).parents[1] / "hub_cards"
RECIPES = {"mean": "sentiment-mean", "lstm": "sentiment-lstm", "rae": "rae-reviews", "rntn": "rntn-sst"}
VECTOR_FIELDS = ("vectors", "vector_length", "max_vector_words")
HELD_OUT = 0.1  # of the training part of MR
PUBLISHED = {
    ("mr", "rae", "MR"): "77.7 (Socher et al. 2011)",
    ("sst", "rntn", "SST fine"): "45.7 (Socher et al. 2013)",
    ("sst", "rntn", "SST binary"): "85.4 (Socher et al. 2013)",
}


@dataclass
class Outcome:
    """What one model did on one data set, a row a seed.

    Attributes:
        right: By column of the table whether each test sentence was answered right, (seeds, N).
        praised: Whether each sentence of the pairs was taken for praise, (seeds, 2 * pairs), positive ones first.
        quoted: Probability that the quoted sentence is praise, (seeds,).
        seconds: Of the trainings.
    """

    right: dict[str, list[NDArray[np.bool_]]] = field(default_factory=dict)
    praised: list[NDArray[np.bool_]] = field(default_factory=list)
    quoted: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def recipe_for(model: str, data: str, options: argparse.Namespace) -> Recipe:
    """The recipe of a model, on one of the two data sets."""
    recipe = Recipe.read(CARDS / RECIPES[model])
    spec = RecipeData(
        id="cornell-movie-review-data/rotten_tomatoes",
        train="train",
        evaluation="validation",
        validation=HELD_OUT,
        license="unknown",
    )
    if data == "sst":
        spec = RecipeData(
            id="tsugiki/sst_trees",
            train="train",
            evaluation="test",
            validation="validation",
            license="unknown",
            columns={} if model == "rntn" else {"text": "sentence", "label": "label"},
        )
    training, processor = dict(recipe.training), dict(recipe.processor)
    if options.epochs is not None:
        training["num_train_epochs"] = options.epochs
    for fields in (training, processor):
        if options.vectors == "none":
            for name in VECTOR_FIELDS:
                fields.pop(name, None)
        elif options.vectors is not None and "vectors" in fields:
            fields["vectors"] = options.vectors
    return replace(recipe, data=spec, training=training, processor=processor, evaluations=[])


def measure(recipe: Recipe, data: str, options: argparse.Namespace) -> Outcome:
    """Train and test a recipe with every seed."""
    run, outcome = prepare(recipe), Outcome()
    if options.rows is not None:
        run.train = run.train.select(range(min(options.rows, len(run.train))))
    table = run.evaluation_sets[0].table
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            model, result = train_seed(run, seed, Path(folder), progress=options.progress)
        model.to("cpu")  # type: ignore[arg-type]
        outcome.seconds.append(result.seconds)
        predictions = predict_table(model, table, task=run.task)
        logits, labels = at_root(predictions.outputs), at_root(predictions.labels[..., None])[:, 0]
        positive, known = binary_truth(labels, logits.shape[1])
        sides = (binary_answers(logits) == positive)[known]
        if data == "mr":
            outcome.right.setdefault("MR", []).append(sides)
        else:
            outcome.right.setdefault("SST fine", []).append(logits.argmax(1) == labels)
            outcome.right.setdefault("SST binary", []).append(sides)
        pairs = contrast_pairs()
        sentences = [pair.positive for pair in pairs] + [pair.negative for pair in pairs]
        outcome.praised.append(binary_answers(judge(run, model, sentences)))
        outcome.quoted.append(praise(judge(run, model, [QUOTED]))[0])
    return outcome


def at_root(values: NDArray[Any]) -> NDArray[Any]:
    """Logits or labels of sentences (N, C) out of those of all nodes (N, M, C), where it is these."""
    return values[:, 0] if values.ndim == 3 else values


def judge(run: PreparedRecipe, model: Any, bracketed: Sequence[str]) -> NDArray[np.float32]:
    """Logits of sentences (N, C); only the tensor network is shown the brackets."""
    given = list(bracketed) if run.recipe.task == "tree-classification" else [plain(text) for text in bracketed]
    task: Any = run.task
    with torch.inference_mode():
        return at_root(task.outputs(model.eval(), task.model_inputs(run.processor, given)).float().numpy())


def praise(logits: NDArray[np.float32]) -> list[float]:
    """Probability of the upper half of the classes against the lower, of each row."""
    shares = torch.from_numpy(logits).softmax(1).numpy()
    half = logits.shape[1] // 2
    return [float(row[-half:].sum() / (row[-half:].sum() + row[:half].sum())) for row in shares]


def print_table(outcomes: dict[tuple[str, str], Outcome]) -> None:
    """Accuracy on the test parts."""
    print("\naccuracy in percent: mean of the seeds [95 % interval over sentences], deviation of the seeds")
    for (data, model), outcome in outcomes.items():
        for name, rows in outcome.right.items():
            metric = mean_metric(np.mean(rows, axis=0))
            spread = np.std(np.mean(rows, axis=1), ddof=1) if len(rows) > 1 else 0.0
            print(
                f"{name:<10}  {model:<4}  {100 * metric.value:5.2f} [{100 * metric.low:5.2f}, {100 * metric.high:5.2f}]"
                f"  sd {100 * spread:4.2f}  n {metric.n:5}  {np.mean(outcome.seconds):6.0f} s a seed"
                f"  {'published: ' + PUBLISHED[data, model, name] if (data, model, name) in PUBLISHED else ''}"
            )


def print_pairs(outcomes: dict[tuple[str, str], Outcome]) -> None:
    """Accuracy on the pairs by kind: of single sentences, and of pairs both of which are right."""
    kinds = np.array([pair.kind for pair in contrast_pairs()])
    print(f"\n{len(kinds)} contrast pairs: percent of sentences right / of pairs with both right, mean of the seeds")
    heads = [f"{model} ({data})" for data, model in outcomes]
    print(f"{'kind':<24}{'pairs':>5}  " + "  ".join(f"{head:>13}" for head in heads))
    for kind in [*dict.fromkeys(kinds), "all"]:
        chosen = (kinds == kind) | (kind == "all")
        cells = []
        for outcome in outcomes.values():
            praised = np.array(outcome.praised).reshape(-1, 2, len(kinds))[:, :, chosen]
            right = np.stack([praised[:, 0], ~praised[:, 1]], axis=1)  # (seeds, 2, pairs)
            cells.append(f"{100 * right.mean():.1f} / {100 * right.all(1).mean():.1f}")
        print(f"{kind:<24}{chosen.sum():>5}  " + "  ".join(f"{cell:>13}" for cell in cells))
    print(f'\n"{plain(QUOTED)}": probability of praise by seed')
    for head, outcome in zip(heads, outcomes.values(), strict=True):
        print(f"{head:<13}  " + "  ".join(f"{value:.3f}" for value in outcome.quoted))


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    parser.add_argument("--models", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--data", nargs="+", choices=("mr", "sst"), default=["mr", "sst"])
    parser.add_argument("--vectors", help="word vectors instead of the recipes', or none to start from nothing")
    parser.add_argument("--epochs", type=int, help="instead of the recipes', for a quick look")
    parser.add_argument("--rows", type=int, help="learn from so many rows only, for a quick look")
    parser.add_argument("--progress", action="store_true", help="show a bar for each training")
    options = parser.parse_args()
    outcomes: dict[tuple[str, str], Outcome] = {}
    for data in options.data:
        for model in options.models:
            if (data, model) == ("mr", "rntn"):
                print("rntn needs parse trees, which MR has not; it is measured on SST alone", flush=True)
                continue
            print(f"{model} on {data}: {options.seeds} trainings", flush=True)
            outcomes[data, model] = measure(recipe_for(model, data, options), data, options)
    print_table(outcomes)
    print_pairs(outcomes)


if __name__ == "__main__":
    main()
