"""The transfer experiment of the field: frozen features with a linear SVM or an MLP, fine-tuning, and from scratch.

    python benchmarks/transfer_experiment.py [--draws 2] [--base NAME]  # measure what is missing, then draw
    python benchmarks/transfer_experiment.py --render                       # only the table and the plot

Real photographs at several numbers of training pictures per class: hand signs (`tsugiki/sign_digits`, ten classes,
measured on other students) and ants against bees (`tsugiki/hymenoptera`). Every draw is of other rows, the same for all
four ways. From scratch the same network gets the same pictures, augmentation and search over learning rates, and no
fewer steps. Results are kept in `packages/vision/transfer_experiment.json`, a row at a time, so that a stopped run goes
on; table and plot of the package's README are made from that file.
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
COLORS = dict(zip([*WAYS, SCRATCH], ["tab:blue", "tab:orange", "tab:green", "tab:gray"], strict=True))


def measure(base: str, name: str, examples: int, draw: int) -> list[dict[str, Any]]:
    """All four ways on one draw of rows."""
    rows = []
    data_id, _ = SETS[name]
    train, test = load_split(data_id, "train"), load_split(data_id, "validation")
    for way, options in WAYS.items():
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


def means(rows: list[dict[str, Any]], name: str, examples: int, way: str) -> float:
    """Mean accuracy over the draws, in per cent."""
    chosen = [row["accuracy"] for row in rows if (row["set"], row["examples"], row["way"]) == (name, examples, way)]
    return 100 * statistics.fmean(chosen)


def render_table(rows: list[dict[str, Any]]) -> str:
    """The table of the README."""
    draws = len({row["draw"] for row in rows})
    over = "one draw" if draws == 1 else f"mean of {draws} draws"
    lines = [
        f"Accuracy in %, {over}; the base is `{rows[0]['base']}`, 32 pixels a side.",
        "",
        "| photographs | per class | " + " | ".join(COLORS) + " |",
        "| --- | ---: | " + " | ".join("---:" for _ in COLORS) + " |",
    ]
    for name, (_, sizes) in SETS.items():
        for examples in sizes:
            if any((row["set"], row["examples"]) == (name, examples) for row in rows):
                figures = " | ".join(f"{means(rows, name, examples, way):.1f}" for way in COLORS)
                lines.append(f"| {name} | {examples} | {figures} |")
    return "\n".join([*lines, "", f"![Accuracy by training pictures per class, four ways]({PLOT.name})"])


def draw_plot(rows: list[dict[str, Any]]) -> None:
    """One panel a set: accuracy against pictures per class, every draw a point."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    names = [name for name in SETS if any(row["set"] == name for row in rows)]
    figure = Figure(figsize=(4.6 * len(names), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        sizes = sorted({row["examples"] for row in rows if row["set"] == name})
        for way, color in COLORS.items():
            points = [
                (row["examples"], 100 * row["accuracy"]) for row in rows if (row["set"], row["way"]) == (name, way)
            ]
            axes.scatter(*zip(*points, strict=True), color=color, s=12, alpha=0.6)
            axes.plot(sizes, [means(rows, name, size, way) for size in sizes], color=color, label=way)
        axes.set(title=name, xscale="log", xlabel="training pictures per class", ylabel="accuracy (%)")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(PLOT, dpi=110)


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
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    for draw in () if arguments.render else range(arguments.draws):
        for name, (_, sizes) in SETS.items():
            for examples in sizes:
                key = (name, arguments.base, examples, draw)
                if any((row["set"], row["base"], row["examples"], row["draw"]) == key for row in rows):
                    continue
                rows += measure(arguments.base, name, examples, draw)
                write_json(RESULTS, rows)
                print(*(f"{row['way']} {row['accuracy']:.3f}" for row in rows[-4:]), *key[::2], flush=True, sep="  ")
    print(render_table(rows))
    render(rows)


if __name__ == "__main__":
    main()
