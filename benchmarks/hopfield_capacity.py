"""How many random patterns a Hopfield network holds: recall against load, with the knee near 0.14 N.

    python benchmarks/hopfield_capacity.py [--sides 16 23 32] [--seeds 5] [--damage 0.1] [--plot hopfield_capacity.png]

Random patterns of -1 and +1 are stored by Hebb's rule in networks of N = side x side units, each is damaged, and the
network runs until it rests. Up to a load of p / N = 0.138 it comes to rest beside the pattern, with an overlap that is
still 0.967 there; beyond it ends far away (Amit, Gutfreund and Sompolinsky 1985, for N without bound). The smaller the
network, the softer the fall, so several sizes are shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from tsugiki_vision.unsupervised.hopfield import HopfieldConfig, HopfieldModel
from tsugiki_vision.unsupervised.pattern_recall import RECALLED

LOADS = (0.02, 0.05, 0.08, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.20, 0.25)
CAPACITY = 0.138  # Amit, Gutfreund and Sompolinsky 1985, abstract


def overlaps(side: int, load: float, damage: float, seed: int) -> np.ndarray:
    """Overlap of every stored pattern with the state that its damaged copy ends in, (P,)."""
    model = HopfieldModel(HopfieldConfig(image_size=side, order_seed=seed))
    units = model.config.num_units
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.randint(0, 2, (max(1, round(load * units)), units), generator=generator).float() * 2 - 1
    model.store(patterns)
    flips = torch.rand(patterns.shape, generator=generator) < damage
    with torch.inference_mode():
        states = model.recall(torch.where(flips, -patterns, patterns)).states
    return (states * patterns).mean(1).numpy()


def knee(recalled: list[float]) -> float:
    """The load at which half of the patterns are recalled, between the two loads around it."""
    for earlier in range(len(LOADS) - 1):
        high, low = recalled[earlier], recalled[earlier + 1]
        if high >= 0.5 > low:
            return LOADS[earlier] + (high - 0.5) / (high - low) * (LOADS[earlier + 1] - LOADS[earlier])
    return float("nan")


def draw(table: dict[int, list[list[float]]], damage: float, file: Path) -> None:
    """Recall and mean overlap against load, a line for each size.

    Args:
        table: For each N the rows of recall, its standard error and mean overlap at each of `LOADS`.
        damage: Share of flipped bits, for the title.
        file: The PNG file to write.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for units, rows in table.items():
        recall, error, overlap = np.asarray(rows).T
        left.errorbar(LOADS, recall, yerr=error, marker="o", markersize=3, label=f"N = {units}")
        right.plot(LOADS, overlap, marker="o", markersize=3, label=f"N = {units}")
    left.set(
        ylabel=f"share with overlap of at least {RECALLED}", title=f"recall, {100 * damage:.0f} % of the bits flipped"
    )
    right.set(ylabel="mean overlap", title="where the states end")
    for axes in (left, right):
        axes.axvline(CAPACITY, color="0.5", linestyle="--", label=f"{CAPACITY} N (theory)")
        axes.set(xlabel="load: patterns / units", ylim=(0, 1.03))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 23, 32], help="N is their squares")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--damage", type=float, default=0.1, help="share of the bits that are flipped")
    parser.add_argument("--plot", type=Path, default=Path("hopfield_capacity.png"))
    options = parser.parse_args()
    table: dict[int, list[list[float]]] = {}
    for side in options.sides:
        print(f"\nN = {side**2}, {options.seeds} seeds, {100 * options.damage:.0f} % of the bits flipped")
        print(" load  patterns  recall           overlap")
        rows = table.setdefault(side**2, [])
        for load in LOADS:
            runs = [overlaps(side, load, options.damage, seed) for seed in range(options.seeds)]
            shares = [float((run >= RECALLED).mean()) for run in runs]
            error = float(np.std(shares, ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else 0.0
            overlap = float(np.mean([run.mean() for run in runs]))
            rows.append([float(np.mean(shares)), error, overlap])
            print(f"{load:5.2f}  {len(runs[0]):8}  {rows[-1][0]:.3f} +- {error:.3f}  {overlap:.3f}", flush=True)
        print(
            f"half are recalled at a load of {knee([row[0] for row in rows]):.3f} (theory, N without bound: {CAPACITY})"
        )
    draw(table, options.damage, options.plot)
    print(f"\n{options.plot}")


if __name__ == "__main__":
    main()
