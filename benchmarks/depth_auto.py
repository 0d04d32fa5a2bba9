"""Whether `depth="auto"` finds the right depth: against every depth, chosen with hindsight.

    python benchmarks/depth_auto.py [--sets digits signs] [--seeds 3] [--first-seed 6] [--examples 1 5] [--steps N]

Two sets, each with its base: scikit-learn's digits (8 x 8 pixels; LeNet-5 from MNIST) and photographs of hand signs
(ResNet-20 from CIFAR-10, `tsugiki/sign_digits`). Every depth and `auto` are fine-tuned on the same rows, with an empty
feature cache each. Printed are the accuracies, how far `auto` stays behind the best mean over the seeds, whether its
depth ever falls as data grows, and its time against the chosen depth asked for outright.

The hand signs are measured on the split `validation` (other students) together with the training rows that were not
drawn (the same students, other pictures): 155 rows alone tell depths apart by chance. The rule for `auto` was made
looking at the draws 0 to 5 of both sets, so later ones are measured.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import datasets
import numpy as np
import tsugiki
from PIL import Image
from sklearn.datasets import load_digits
from tsugiki.data.load_data import load_split
from tsugiki.data.splitting import pick_examples
from tsugiki.transfer.cache import FeatureCache
from tsugiki.transfer.stages import parse_depth, stages_of

BASES = {"digits": "lenet5-mnist", "signs": "resnet20-cifar10"}
TRAINING_DIGITS = 1000  # the rest, by other writers, is measured on


def digits() -> tuple[datasets.Dataset, datasets.Dataset]:
    """scikit-learn's digits: rows to draw from, and rows to measure on."""
    source = load_digits()

    def encoded(pixels: np.ndarray) -> dict[str, Any]:
        file = io.BytesIO()
        Image.fromarray(np.rint(pixels * 255 / 16).astype(np.uint8)).save(file, "png")
        return {"bytes": file.getvalue(), "path": None}

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(digit) for digit in range(10)])}
    )
    columns = {"image": [encoded(image) for image in source.images], "label": source.target.tolist()}
    rows = datasets.Dataset.from_dict(columns, features=features)
    return rows.select(range(TRAINING_DIGITS)), rows.select(range(TRAINING_DIGITS, len(rows)))


def parts(name: str, examples: int, seed: int) -> datasets.DatasetDict:
    """So many training rows a class, and the rows to measure on."""
    import torch

    if name == "digits":
        pool, test = digits()
    else:
        pool, test = (load_split("tsugiki/sign_digits", split) for split in ("train", "validation"))
    drawn = pick_examples(torch.tensor(pool["label"]), examples, seed=seed).tolist()
    if name == "signs":
        others = sorted(set(range(len(pool))) - set(drawn))
        test = datasets.concatenate_datasets([test, pool.select(others)])
    return datasets.DatasetDict(train=pool.select(drawn), test=test)


def run(base: str, data: datasets.DatasetDict, depth: str, seed: int, options: dict[str, Any]) -> tuple[Any, float]:
    """One fine-tuning: depth and report, and its time without writing the snapshot."""
    FeatureCache.default().forget()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TSUGIKI_CACHE"] = folder
        result = tsugiki.finetune(
            base, data, output_dir=Path(folder, "out"), depth=depth, seed=seed, progress=False, **options
        )
    return result, sum(result.report.seconds.values())


def measure(name: str, base: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All depths and `auto`, at every size and seed."""
    stages = len(stages_of(tsugiki.load(base)))
    options = {} if arguments.steps is None else {"max_steps": arguments.steps}
    rows = []
    for examples in arguments.examples:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            data = parts(name, examples, seed)
            row: dict[str, Any] = {"set": name, "examples": examples, "seed": seed, "accuracy": {}, "seconds": {}}
            for depth in ["head", *map(str, range(1, stages)), "all", "auto"]:
                result, seconds = run(base, data, depth, seed, options)
                row["accuracy"][depth] = result.metrics["accuracy"].value
                row["seconds"][depth] = seconds
            row["chosen"] = str(result.depth)
            row["number"] = parse_depth(result.depth, stages)
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def summarise(name: str, rows: list[dict[str, Any]]) -> float:
    """Print the table of one set.

    Returns:
        Mean points behind hindsight.
    """
    by_size: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_size[row["examples"]].append(row)
    depths = list(rows[0]["accuracy"])
    print(f"\n{name}: accuracy in %, mean over seeds")
    print("  ".join(["a class", *(f"{depth:>5}" for depth in depths), "behind  depths chosen  time"]))
    behind = []
    for examples, group in by_size.items():
        means = {depth: 100 * mean(row["accuracy"][depth] for row in group) for depth in depths}
        best = max(value for depth, value in means.items() if depth != "auto")
        behind.append(best - means["auto"])
        ratio = mean(row["seconds"]["auto"] / row["seconds"][row["chosen"]] for row in group)
        chosen = " ".join(row["chosen"] for row in group)
        figures = "  ".join(f"{means[depth]:5.1f}" for depth in depths)
        print(f"{examples:7}  {figures}  {behind[-1]:6.2f}  {chosen:>13}  {ratio:.2f} x")
    falls = sum(
        later["number"] < earlier["number"]
        for seed in {row["seed"] for row in rows}
        for earlier, later in zip(
            *[[row for row in rows if row["seed"] == seed][start:] for start in (0, 1)], strict=False
        )
    )
    slowest = max(row["seconds"]["auto"] / row["seconds"][row["chosen"]] for row in rows)
    print(f"{mean(behind):.2f} points behind hindsight; depth fell {falls} times; slowest {slowest:.2f} x its depth")
    return mean(behind)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(BASES), default=list(BASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=6, help="the rule was made looking at draws 0 to 5")
    parser.add_argument("--examples", type=int, nargs="+", default=[1, 5, 10, 50])
    parser.add_argument("--steps", type=int, help="of each training; by default as many as finetune gives it")
    for name, base in BASES.items():
        parser.add_argument(f"--{name}-base", default=base)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    behind = []
    for name in arguments.sets:
        behind.append(summarise(name, measure(name, vars(arguments)[f"{name}_base"], arguments)))
    print(f"\nauto stays {mean(behind):.2f} points behind the best depth chosen with hindsight, on average (goal: 1)")


if __name__ == "__main__":
    main()
