"""Ants and bees by five folds: a base that has seen photographs, a base that has not, and training from scratch.

    python benchmarks/photograph_folds.py [--base efficientnet-lite0-imagenet] [--depth auto] [--folds 5]

All 245 pictures of `tsugiki/hymenoptera` are cut into five folds by class (scikit-learn's StratifiedKFold, seed 0).
Each fold is measured once, by a network that was fine-tuned on the other four; nothing is chosen on it. Printed are
the share over all pictures with Wilson's interval, and seconds a fold. `--untrained` asks a classifier of ImageNet
to choose between its own ant and bee instead, without any training.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import tsugiki
from datasets import concatenate_datasets
from sklearn.model_selection import StratifiedKFold
from tsugiki.data import load_split
from tsugiki.metrics import counted_share

DATA = "tsugiki/hymenoptera"


def main() -> None:
    """Measure every fold and print the share over all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="efficientnet-lite0-imagenet")
    parser.add_argument("--depth", default="auto")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--scratch", action="store_true", help="train the same network from scratch too")
    parser.add_argument("--untrained", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    data = concatenate_datasets([load_split(DATA, "train"), load_split(DATA, "validation")])
    if options.untrained:
        found = tsugiki.evaluate(options.base, data, classes={"ants": "ant", "bees": "bee"})["accuracy"]
        show(f"{options.base}, untrained", round(found.value * found.n), found.n)
        return
    labels = np.asarray(data["label"])
    right = scratch = measured = 0
    for number, (rows, held) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)):
        if number == options.folds:
            break
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = tsugiki.finetune(
                options.base,
                data.select(rows),
                test=data.select(held),
                output_dir=Path(folder, "model"),
                depth=options.depth,
                progress=False,
                compare_scratch=options.scratch,
            )
        measured += len(held)
        right += round(result.metrics["accuracy"].value * len(held))
        if result.report.scratch_metrics is not None:
            scratch += round(result.report.scratch_metrics["accuracy"].value * len(held))
        seconds = time.perf_counter() - began
        print(
            f"fold {number}: depth {result.depth}, {result.metrics['accuracy'].value:.3f}, {seconds:.0f} s", flush=True
        )
    show(f"{options.base}, depth {options.depth}", right, measured)
    if options.scratch:
        show("from scratch", scratch, measured)


def show(name: str, right: int, measured: int) -> None:
    """One line with Wilson's interval."""
    share = counted_share(right, measured)
    print(f"{name}: {right} of {measured}, {100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]")


if __name__ == "__main__":
    main()
