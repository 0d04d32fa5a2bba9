"""The main job: graft a new head on a pretrained network with a handful of examples, and see what that buys.

    python examples/quickstart.py [--output quickstart]

`lenet5-mnist` was trained on MNIST. scikit-learn's digits are handwritten too, but come from another source: other
writers, scanned at 8 x 8 pixels. Here the network is fine-tuned on 1, 5, 10 and 50 of them per class, beside the same
network from scratch, with three draws of the examples each. Both get the same augmentation, the same search over three
learning rates and the same number of steps; with one example per class there is nothing to search on, and both take the
middle rate. Every figure is measured on 797 digits that took no part in any of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import tsugiki
from PIL import Image
from sklearn.datasets import load_digits

BASE = "lenet5-mnist"
EXAMPLES_PER_CLASS = (1, 5, 10, 50)
SEEDS = (0, 1, 2)
TRAINING_DIGITS = 1000  # the rest, 797, are for measuring


def digits() -> tuple[datasets.Dataset, datasets.Dataset]:
    """scikit-learn's digits, as large in the frame as MNIST's: 20 pixels within 28."""
    source = load_digits()
    pictures = []
    for pixels in source.images:  # (8, 8), 0..16
        digit = Image.fromarray((pixels * 255 / 16).astype(np.uint8)).resize((20, 20), Image.Resampling.BICUBIC)
        canvas = Image.new("L", (28, 28))
        canvas.paste(digit, (4, 4))
        pictures.append(canvas)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    rows = datasets.Dataset.from_dict({"image": pictures, "label": source.target.tolist()}, features=features)
    return rows.select(range(TRAINING_DIGITS)), rows.select(range(TRAINING_DIGITS, len(rows)))


def compare(training: datasets.Dataset, test: datasets.Dataset) -> list[dict]:
    """Accuracy of transfer and of scratch, for every number of examples and every draw."""
    rows = []
    for count in EXAMPLES_PER_CLASS:
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                result = tsugiki.finetune(
                    BASE,
                    training,
                    output_dir=Path(folder, "model"),
                    test=test,
                    examples_per_class=count,
                    compare_scratch=True,
                    seed=seed,
                    progress=False,
                )
            rows.append(
                {
                    "examples_per_class": count,
                    "seed": seed,
                    "depth": result.depth,
                    "transfer": result.metrics["accuracy"].value,
                    "scratch": result.report.scratch_metrics["accuracy"].value,
                }
            )
            print(
                f"{count:3d} per class, draw {seed}: transfer {rows[-1]['transfer']:6.1%} (depth {result.depth}), "
                f"scratch {rows[-1]['scratch']:6.1%}",
                flush=True,
            )
    return rows


def means(rows: list[dict]) -> dict[int, tuple[float, float]]:
    """Examples per class -> mean accuracy of transfer and of scratch."""
    return {
        count: (
            statistics.mean(row["transfer"] for row in rows if row["examples_per_class"] == count),
            statistics.mean(row["scratch"] for row in rows if row["examples_per_class"] == count),
        )
        for count in EXAMPLES_PER_CLASS
    }


def draw(rows: list[dict], path: Path) -> None:
    """Error against examples per class; each draw is a point, the line their mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for number, (way, label, color) in enumerate(
        [("transfer", f"fine-tuned {BASE}", "tab:green"), ("scratch", "from scratch", "tab:gray")]
    ):
        points = [(row["examples_per_class"], 100 * (1 - row[way])) for row in rows]
        axes.scatter(*zip(*points, strict=True), color=color, s=16, alpha=0.6)
        averages = [100 * (1 - pair[number]) for pair in means(rows).values()]
        axes.plot(EXAMPLES_PER_CLASS, averages, color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="examples per class", ylabel="error on 797 digits (%)")
    axes.set_xticks(EXAMPLES_PER_CLASS, [str(count) for count in EXAMPLES_PER_CLASS])
    axes.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    axes.minorticks_off()
    axes.set_title("scikit-learn's digits, a network from MNIST")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Compare, draw, keep the best model, and predict from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("quickstart"))
    output = parser.parse_args().output
    started = time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)
    training, test = digits()

    rows = compare(training, test)
    (output / "results.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    draw(rows, output / "learning_curves.png")
    print("\nexamples per class   transfer   scratch   error of transfer / of scratch")
    for count, (transfer, scratch) in means(rows).items():
        print(f"{count:18d}   {transfer:8.1%}   {scratch:7.1%}   {(1 - transfer) / (1 - scratch):.2f}")

    print("\nNow a model to keep, from 50 digits per class:")
    result = tsugiki.finetune(
        BASE, training, output_dir=output / "model", test=test, examples_per_class=50, overwrite=True, progress=False
    )
    print(result.report)

    (output / "digits").mkdir(exist_ok=True)
    for row in range(5):
        test[row]["image"].save(output / "digits" / f"{row}-is-a-{test[row]['label']}.png")
    print(f"\n$ tsugiki predict {output / 'model'} {output / 'digits'} --top-k 1", flush=True)
    command = [sys.executable, "-m", "tsugiki", "predict", str(output / "model"), str(output / "digits")]
    subprocess.run([*command, "--top-k", "1"], check=True)
    print(f"\nSee {output / 'learning_curves.png'} and the card {output / 'model' / 'README.md'}.")
    print(f"{time.perf_counter() - started:.0f} seconds")


if __name__ == "__main__":
    main()
