"""The transfer experiment of the field: frozen features with a linear SVM or an MLP, fine-tuning, and from scratch.

    python benchmarks/transfer_experiment.py [--draws 2] [--base NAME]  # measure what is missing, then draw
    python benchmarks/transfer_experiment.py --render                       # only the table and the plot

Real photographs at several numbers of training pictures per class: hand signs (`tsugiki/sign_digits`, ten classes,
measured on other students) and ants against bees (`tsugiki/hymenoptera`). Every draw is of other rows, the same for all
ways. From scratch the same network gets the same pictures, augmentation and search over learning rates, and no fewer
steps; of a base that costs much to train, from scratch only with `--scratch`. Results are kept in
`packages/vision/transfer_experiment.json`, a row at a time, so that a stopped run goes on; table and plot of the
package's README are made from that file.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
from pathlib import Path
from typing import Any

import tsugiki
from tsugiki.data.load_data import load_split
from tsugiki.output import write_json, write_text

PACKAGE = Path(__file__).parents[1] / "packages" / "vision"
RESULTS = PACKAGE / "transfer_experiment.json"
PLOT = PACKAGE / "transfer_experiment.png"
START, END = "<!-- transfer:start -->", "<!-- transfer:end -->"
SETS = {  # name -> (id, examples per class)
    "hand signs": ("tsugiki/sign_digits", (2, 10, 50)),
    "ants and bees": ("tsugiki/hymenoptera", (5, 20, 80)),
}
WAYS = {  # name -> options of finetune
    "features + linear SVM": {"depth": "head", "head": "svm"},
    "features + MLP": {"depth": "head", "head": "mlp"},
    "fine-tuning": {"depth": "auto", "compare_scratch": True},
}
SCRATCH = "from scratch"
COSTLY = ("efficientnet-lite0-imagenet",)  # four trainings of it from fresh weights take hours
COLORS = dict(zip([*WAYS, SCRATCH], ["tab:blue", "tab:orange", "tab:green", "tab:gray"], strict=True))


def measure(base: str, name: str, examples: int, draw: int, *, scratch: bool) -> list[dict[str, Any]]:
    """All ways on one draw of rows."""
    rows = []
    data_id, _ = SETS[name]
    train, test = load_split(data_id, "train"), load_split(data_id, "validation")
    for way, options in WAYS.items():
        if not scratch:
            options = {**options, "compare_scratch": False}
        with tempfile.TemporaryDirectory() as folder:
            result = tsugiki.finetune(
                base,
                train,
                output_dir=Path(folder, "model"),
                test=test,
                examples_per_class=examples,
                seed=draw,
                progress=False,
                **options,
            )
        row = {"set": name, "base": base, "examples": examples, "draw": draw}
        rows.append({**row, "way": way, "accuracy": result.metrics["accuracy"].value, "depth": str(result.depth)})
        if result.report.scratch_metrics is not None:
            rows.append({**row, "way": SCRATCH, "accuracy": result.report.scratch_metrics["accuracy"].value})
    return rows


def means(rows: list[dict[str, Any]], name: str, examples: int, base: str, way: str) -> float | None:
    """Mean accuracy over the draws, in per cent; None where nothing was measured."""
    key = (name, examples, base, way)
    chosen = [row["accuracy"] for row in rows if (row["set"], row["examples"], row["base"], row["way"]) == key]
    return 100 * statistics.fmean(chosen) if chosen else None


def render_table(rows: list[dict[str, Any]]) -> str:
    """The table of the README."""
    draws = {base: len({row["draw"] for row in rows if row["base"] == base}) for base in bases_of(rows)}
    over = "; ".join(
        f"`{base}`: {'one draw' if count == 1 else f'mean of {count} draws'}" for base, count in draws.items()
    )
    lines = [
        f"Accuracy in %. {over}.",
        "",
        "| photographs | per class | base | " + " | ".join(COLORS) + " |",
        "| --- | ---: | --- | " + " | ".join("---:" for _ in COLORS) + " |",
    ]
    for name, (_, sizes) in SETS.items():
        for examples in sizes:
            for base in draws:
                found = [means(rows, name, examples, base, way) for way in COLORS]
                if any(value is not None for value in found):
                    figures = " | ".join("" if value is None else f"{value:.1f}" for value in found)
                    lines.append(f"| {name} | {examples} | `{base}` | {figures} |")
    return "\n".join([*lines, "", f"![Accuracy by training pictures per class, by base and way]({PLOT.name})"])


def bases_of(rows: list[dict[str, Any]]) -> list[str]:
    """The bases that were measured, in order."""
    return list(dict.fromkeys(row["base"] for row in rows))


def draw_plot(rows: list[dict[str, Any]]) -> None:
    """A panel a base and set: accuracy against pictures per class, every draw a point."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    bases = bases_of(rows)
    names = [name for name in SETS if any(row["set"] == name for row in rows)]
    figure = Figure(figsize=(4.6 * len(names), 3.3 * len(bases)), layout="constrained")
    grid = figure.subplots(len(bases), len(names), squeeze=False, sharey="col")
    for base, line in zip(bases, grid, strict=True):
        for axes, name in zip(line, names, strict=True):
            if of_panel := [row for row in rows if (row["base"], row["set"]) == (base, name)]:
                draw_panel(axes, of_panel, base, name)
            else:
                axes.set_axis_off()
    grid[0][-1].legend(frameon=False)
    figure.savefig(PLOT, dpi=110)


def draw_panel(axes: Any, rows: list[dict[str, Any]], base: str, name: str) -> None:
    """One base on one set."""
    for way, color in COLORS.items():
        points = [(row["examples"], 100 * row["accuracy"]) for row in rows if row["way"] == way]
        if points:
            sizes = sorted({size for size, _ in points})
            axes.scatter(*zip(*points, strict=True), color=color, s=12, alpha=0.6)
            axes.plot(sizes, [means(rows, name, size, base, way) for size in sizes], color=color, label=way)
    axes.set(title=f"{name}, {base}", xscale="log", xlabel="training pictures per class", ylabel="accuracy (%)")
    axes.title.set_fontsize(9)
    axes.set_xticks(SETS[name][1], [str(size) for size in SETS[name][1]])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def render(rows: list[dict[str, Any]]) -> None:
    """Put table and plot into the package's README."""
    readme = PACKAGE / "README.md"
    before, start, rest = readme.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise SystemExit(f"{readme} has no lines {START} and {END}")
    draw_plot(rows)
    write_text(readme, f"{before}{START}\n{render_table(rows)}\n{END}{after}")


def main() -> None:
    """Measure what is missing, print the table, render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="resnet20-cifar10")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--scratch", action=argparse.BooleanOptionalAction, help="by default not of costly bases")
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    scratch = arguments.base not in COSTLY if arguments.scratch is None else arguments.scratch
    for draw in () if arguments.render else range(arguments.draws):
        for name, (_, sizes) in SETS.items():
            for examples in sizes:
                key = (name, arguments.base, examples, draw)
                if any((row["set"], row["base"], row["examples"], row["draw"]) == key for row in rows):
                    continue
                rows += measure(arguments.base, name, examples, draw, scratch=scratch)
                write_json(RESULTS, rows)
                print(
                    *(f"{row['way']} {row['accuracy']:.3f}" for row in rows[-3 - scratch :]),
                    *key[::2],
                    flush=True,
                    sep="  ",
                )
    print(render_table(rows))
    render(rows)


if __name__ == "__main__":
    main()
