"""What a backbone that has seen other pictures is worth to a detector, at the same time of processor.

    python benchmarks/detector_backbones.py [--sizes 10 50 all] [--seconds 120] [--plot backbones.png]

The recipe of `yolo-bccd` on so many pictures of `tsugiki/bccd`'s training part, with four networks that look at them:
the detector's own from fresh weights, `resnet20-cifar10` as trained, the same with fresh weights, and
`efficientnet-lite0-imagenet`. All get the same seconds of processor for their steps, fewer of them where a step costs
more. The validation part, which takes no part in training, is measured; nothing is chosen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.recipes.prepared_recipe import PreparedRecipe, build_model, prepare
from tsugiki.recipes.recipe import Recipe
from tsugiki.recipes.train_recipe import train_seed
from tsugiki.snapshots.backbones import backbone_fields

RECIPE = Path(__file__).parents[1] / "hub_cards" / "yolo-bccd"
RESNET, LITE = "resnet20-cifar10", "efficientnet-lite0-imagenet"
TIMED = 4  # steps that a step's seconds are measured by
SEED = 0


def networks() -> dict[str, dict[str, Any]]:
    """Fields of the config by name."""
    coarsest = {"backbone_stages": ["stage3"], "levels": 1, "anchors_per_level": 6}  # a cell of 4 pixels
    return {
        "own": {},
        RESNET: {"backbone": RESNET, **coarsest},
        f"{RESNET}, fresh": {"backbone_config": backbone_fields(RESNET), **coarsest},
        LITE: {"backbone": LITE, "backbone_stages": ["stage3", "stage5", "stage7"]},  # cells of 8, 16, 32 pixels
    }


def prepared(recipe: Recipe, fields: dict[str, Any], size: int | None) -> PreparedRecipe:
    """The recipe with another network and so many pictures."""
    run = prepare(replace(recipe, config={**recipe.config, **fields}))
    if size is not None:
        drawn = torch.randperm(len(run.train), generator=torch.Generator().manual_seed(SEED))[:size]
        run.train = run.train.select(drawn)
    return run


def seconds_of_step(run: PreparedRecipe) -> float:
    """Of the processor, for a batch forth and back."""
    model = build_model(run, SEED).train()
    rows = list(range(int(run.recipe.training["per_device_train_batch_size"])))
    batch = run.train.select([row % len(run.train) for row in rows]).batch(rows)
    model(**batch).loss.backward()
    began = time.process_time()
    for _ in range(TIMED):
        model(**batch).loss.backward()
    return (time.process_time() - began) / TIMED


def measure(recipe: Recipe, fields: dict[str, Any], size: int | None, seconds: float) -> dict[str, Any]:
    """Figures after so many seconds of processor."""
    run = prepared(recipe, fields, size)
    steps = max(1, round(seconds / seconds_of_step(run)))
    training = {**run.recipe.training, "max_steps": steps, "warmup_steps": steps // 10, "save_strategy": "no"}
    run.recipe = replace(run.recipe, training=training)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train_seed(run, SEED, Path(folder), progress=False)
    spent = time.process_time() - began
    model.to("cpu")  # type: ignore[arg-type]
    found = run.task.metrics(predict_table(model.eval(), run.evaluation, task=run.task))
    return {"map_50": found["map_50"], "map": found["map"], "steps": steps, "seconds": spent}


def draw_plot(figures: dict[str, dict[int, float]], path: str) -> None:
    """Mean average precision against pictures, a line a network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, points in figures.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.set(xscale="log", xlabel="training pictures", ylabel="mAP at an overlap of .5")
    sizes = sorted({size for points in figures.values() for size in points})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["10", "50", "all"])
    parser.add_argument("--networks", nargs="+", choices=list(networks()), default=list(networks()))
    parser.add_argument("--seconds", type=float, default=120, help="of the processor for the steps of each training")
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe.read(RECIPE)
    figures: dict[str, dict[int, float]] = {}
    for name in options.networks:
        for given in options.sizes:
            size = None if given == "all" else int(given)
            one = measure(recipe, networks()[name], size, options.seconds)
            rows = len(prepare(recipe).train) if size is None else size
            figures.setdefault(name, {})[rows] = one["map_50"].value
            print(
                f"{name:<28} {rows:>4} pictures, {one['steps']:>5} steps: map_50 {one['map_50']}, map {one['map']}; "
                f"{one['seconds']:.0f} s of processor with augmentation and validation",
                flush=True,
            )
    if options.plot:
        draw_plot(figures, options.plot)


if __name__ == "__main__":
    main()
