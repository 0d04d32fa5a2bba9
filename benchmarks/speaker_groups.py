"""Spoken digits by speakers that the network has not heard, beside the split at random.

The recordings of `tsugiki/free_spoken_digits` are of five speakers. The network of `conv1d-digits` is trained from
fresh weights five times for each way to split: with a speaker left out, by the role ``group``, and with a fifth of the
recordings held out at random, by class. Printed is the accuracy on the rows left out, one by one and in the mean.
`conv1d-digits` itself has heard all five, so that it can tell nothing about new ones.

    OMP_NUM_THREADS=1 python benchmarks/speaker_groups.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from transformers import set_seed
from tsugiki.augmentation_kinds import read_augmentation
from tsugiki.data.groups import read_groups
from tsugiki.data.load_data import load_split
from tsugiki.data.splitting import folds_of
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.labelled_task import BoundTask
from tsugiki.recipes.recipe import Recipe
from tsugiki.registry import registry
from tsugiki.snapshots.loading import create_model
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

RECIPE = Path(__file__).parents[1] / "hub_cards" / "conv1d-digits"
FOLDS = 5


def main() -> None:
    """Train ten networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recipe = Recipe.read(RECIPE)
    task = task_named(recipe.task)
    dataset = load_split(recipe.data.id, recipe.data.train, source=recipe.data.source)
    columns = task.columns(dataset)
    processor = registry().family(recipe.family).processor_class()(**recipe.processor)
    bound = BoundTask.to_data(task, dataset, columns)
    table, groups = bound.table(dataset, processor, columns), read_groups(dataset, "speaker")
    labels = table.labels.numpy()
    arguments = {**recipe.training, "num_train_epochs": options.epochs, "seed": options.seed}

    def accuracy(inside: torch.Tensor, outside: torch.Tensor) -> float:
        set_seed(options.seed)
        fields = {**recipe.config, **task.processor_fields(processor), **bound.config_fields()}
        model = create_model(recipe.family, recipe.task, **fields)
        train = table.select(inside).with_augmentation(read_augmentation(recipe.augmentation), seed=options.seed)
        with tempfile.TemporaryDirectory() as folder:
            fit(model, TrainingJob(train, Path(folder), arguments, progress=False))
        metric = task.metrics(predict_table(model, table.select(outside), task=task))["accuracy"]
        print(f"  {metric} of {metric.n}", flush=True)
        return metric.value

    for called, numbers in (("at random", None), ("a speaker left out", groups.numbers.numpy())):
        figures = []
        for inside, outside in folds_of(labels, FOLDS, options.seed, numbers):
            left_out = {groups.names[number] for number in groups.numbers[outside].tolist()}
            print(f"{called}: {', '.join(sorted(left_out))}")
            figures.append(accuracy(torch.from_numpy(inside), torch.from_numpy(outside)))
        shown = ", ".join(f"{100 * figure:.1f}" for figure in figures)
        print(f"{called}: mean {100 * statistics.fmean(figures):.1f} % ({shown})", flush=True)


if __name__ == "__main__":
    main()
