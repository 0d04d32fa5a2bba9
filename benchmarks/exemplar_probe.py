"""What learning without labels is worth: a linear probe on an Exemplar-CNN, and on the same network untrained.

    python benchmarks/exemplar_probe.py [--recipe hub_cards/exemplar-cnn-cifar10] [--seeds 1] [--rows 0]
    python benchmarks/exemplar_probe.py --snapshot exemplar-cnn-cifar10    # a network that is there already

Both sides get the same probe on the same labelled rows. The untrained network has the seed's first weights; its batch
normalisation takes the statistics of the training pictures, which is kinder to it than leaving them at nothing.
Printed are both accuracies on the test split and their difference with a 95 % interval from a bootstrap over seeds and
test rows together. The goal is 5 points.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tsugiki
from numpy.typing import NDArray
from torch import nn
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import bootstrap_interval, share_metric
from tsugiki.recipes.prepared_recipe import PreparedRecipe, build_model, prepare
from tsugiki.recipes.recipe import Recipe
from tsugiki.training.job import TrainingJob
from tsugiki_vision.unsupervised.exemplar_cnn import ExemplarCNNForImageClassification
from tsugiki_vision.unsupervised.exemplar_training import ExemplarOptions, fit_probe, train_exemplar

STATISTICS_ROWS = 5_000


@torch.no_grad()
def measure_statistics(model: ExemplarCNNForImageClassification, run: PreparedRecipe) -> None:
    """Set the batch norms' running statistics to those of training pictures, all batches with the same weight."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    model.train()
    for batch in run.train.select(range(min(STATISTICS_ROWS, len(run.train)))).batches(250):
        model(batch["pixel_values"])
    model.eval()


def right_answers(model: ExemplarCNNForImageClassification, run: PreparedRecipe) -> NDArray[np.bool_]:
    """Which test rows are answered right (N,)."""
    predictions = predict_table(model.to("cpu"), run.evaluation)
    answers: NDArray[np.bool_] = predictions.outputs.argmax(1) == predictions.labels
    return answers


def untrained(run: PreparedRecipe, seed: int) -> NDArray[np.bool_]:
    """Answers of a probe on fresh weights."""
    model: Any = build_model(run, seed)
    measure_statistics(model, run)
    fit_probe(model, run.train, run.recipe.training.get("probe", ExemplarOptions().probe), seed=seed)
    return right_answers(model, run)


def trained(run: PreparedRecipe, seed: int, options: argparse.Namespace) -> NDArray[np.bool_]:
    """Answers of a probe on weights learned without labels."""
    if options.snapshot:
        model: Any = tsugiki.load(options.snapshot)
    else:
        model = build_model(run, seed)
        training = {"save_strategy": "epoch", "save_total_limit": 1, **run.recipe.training, "seed": seed}
        if options.epochs is not None:
            training["num_train_epochs"] = options.epochs
        train_exemplar(model, TrainingJob(run.train, options.folder / f"seed-{seed}", training))
    return right_answers(model, run)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "hub_cards/exemplar-cnn-cifar10")
    parser.add_argument("--snapshot", help="a trained model's name or folder, made by the recipe with its first seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=float, help="instead of the recipe's")
    parser.add_argument("--rows", type=int, default=0, help="training pictures; 0 for all")
    parser.add_argument("--folder", type=Path, default=Path("runs/exemplar_probe"), help="of unfinished runs")
    options = parser.parse_args()
    run = prepare(Recipe.read(options.recipe))
    if options.rows:
        run.train = run.train.select(range(options.rows))
    seeds = run.recipe.seeds[:1] if options.snapshot else range(options.seeds)
    before, after = [], []
    for seed in seeds:
        before.append(untrained(run, seed))
        after.append(trained(run, seed, options))
        for name, answers in (("untrained", before[-1]), ("learned without labels", after[-1])):
            metric = share_metric(answers)
            print(
                f"seed {seed}, {name}: {100 * metric.value:.2f} % [{100 * metric.low:.2f}, {100 * metric.high:.2f}]",
                flush=True,
            )
    differences = np.stack(after).astype(np.float64) - np.stack(before)  # (seeds, rows)
    generator = np.random.default_rng(1)

    def redrawn(rows: NDArray[np.int64]) -> float:
        drawn = generator.integers(0, len(differences), len(differences))
        return float(differences[np.ix_(drawn, rows)].mean())

    low, high = bootstrap_interval(differences.shape[1], redrawn)
    print(
        f"{len(differences)} seeds, {len(run.train):,} labelled rows: {100 * differences.mean():+.2f} points, "
        f"95 % interval [{100 * low:+.2f}, {100 * high:+.2f}] (goal: 5)"
    )


if __name__ == "__main__":
    main()
