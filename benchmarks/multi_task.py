"""Several tasks in one network with half of the labels missing, against a network for each task.

    python benchmarks/multi_task.py [--rows 20000] [--epochs 8] [--seeds 2] [--json]

The network, its optimiser and its augmentation are those of the recipe `multitask-fashion`. The single-task networks
have the same backbone and one head; each learns from the same known labels of its task (rows without one are left out)
for as many steps of the same batch size as the multi-task network. All are measured on the same complete test pictures.
Printed are the accuracy per task, mean over the seeds, and what all networks together cost in parameters and seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from tsugiki.augmentation_kinds import read_augmentation
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.picture_processing import BackboneImageProcessor
from tsugiki.recipes.recipe import Recipe
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_vision.multi_task.multi_task import MISSING
from tsugiki_vision.multi_task.multi_task_classification import MultiTaskImageClassification

RECIPE = Path(__file__).parent.parent / "hub_cards" / "multitask-fashion"


def one_task(table: TensorTable, task: int) -> TensorTable:
    """The rows whose label of this task is known, with that label alone."""
    known = table.select(torch.nonzero(table.labels[:, task] != MISSING).flatten())
    columns = {**known.columns, "labels": known.labels[:, task : task + 1]}
    return TensorTable(columns, transform=known.transform, row_ids=known.row_ids)


def train_and_measure(
    recipe: Recipe, train: TensorTable, test: TensorTable, tasks: dict[str, list[str]], steps: int, seed: int
) -> dict[str, Any]:
    """Train one network on some tasks: its accuracies by task, its parameters and its seconds."""
    torch.manual_seed(seed)
    model = create_model(recipe.family, recipe.task, **recipe.config, tasks=tasks)
    options = {**recipe.training, "warmup_steps": steps // 20, "max_steps": steps, "save_strategy": "no", "seed": seed}
    augmented = train.with_augmentation(read_augmentation(recipe.augmentation), seed=seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fit(model, TrainingJob(augmented, folder, options, title=", ".join(tasks)))
    seconds = time.perf_counter() - started
    task = MultiTaskImageClassification()
    metrics = task.metrics(predict_table(model, test, task=task))
    return {
        "accuracy": {name: metrics[f"accuracy_{name}"].value for name in tasks},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": seconds,
    }


def compare(rows: int, epochs: int, seeds: int) -> dict[str, Any]:
    """The multi-task network and the single-task ones for every seed."""
    recipe = Recipe.read(RECIPE)
    task = MultiTaskImageClassification()
    processor = BackboneImageProcessor(**recipe.processor)
    data = load_split(recipe.data.id, "train").select(range(rows))
    names = task.label_names(data, task.columns(data))
    train = task.table(data, processor, label_names=names)
    test = task.table(load_split(recipe.data.id, "test"), processor, label_names=names)
    tasks: dict[str, list[str]] = task.config_fields(names)["tasks"]
    steps = epochs * -(-rows // recipe.training["per_device_train_batch_size"])
    runs = []
    for seed in range(seeds):
        together = train_and_measure(recipe, train, test, tasks, steps, seed)
        singles = [
            train_and_measure(recipe, one_task(train, n), one_task(test, n), {name: classes}, steps, seed)
            for n, (name, classes) in enumerate(tasks.items())
        ]
        runs.append({"seed": seed, "together": together, "singles": singles})
    return {"rows": rows, "epochs": epochs, "steps": steps, "tasks": list(tasks), "runs": runs}


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    lines = ["| task | network of its own | one for all | difference |", "| --- | ---: | ---: | ---: |"]
    for number, name in enumerate(result["tasks"]):
        single = 100 * mean(run["singles"][number]["accuracy"][name] for run in result["runs"])
        together = 100 * mean(run["together"]["accuracy"][name] for run in result["runs"])
        lines.append(f"| {name} | {single:.2f} % | {together:.2f} % | {together - single:+.2f} |")
    for what in ("parameters", "seconds"):
        singles = mean(sum(single[what] for single in run["singles"]) for run in result["runs"])
        together = mean(run["together"][what] for run in result["runs"])
        lines.append(f"| {what}, all | {singles:,.0f} | {together:,.0f} | |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="training pictures, of 60,000")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = compare(arguments.rows, arguments.epochs, arguments.seeds)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"\n{result['rows']:,} training pictures, {result['steps']:,} steps each, seeds {arguments.seeds}\n")
    print(table(result))


if __name__ == "__main__":
    main()
