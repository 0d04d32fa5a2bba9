"""Whether `auto` finds the best installed base, and whether it takes less time than one fine-tuning.

    python benchmarks/base_auto.py [--sets photographs signs clothes novels] [--depth head]

Four sets that no base was made for: ants and bees (`tsugiki/hymenoptera`), hand signs (`tsugiki/sign_digits`), clothes
(`zalando-datasets/fashion_mnist`) and passages of five novelists (`tsugiki/english_novels`), some rows of a class of
each. The bases are ranked as `tsugiki finetune auto` does; then every one of them is fine-tuned to `--depth` and
measured on rows that no ranking saw. The time of the ranking stands beside that of fine-tuning the chosen one as by
default, depth and learning rate chosen, as estimated from a few steps of all depths; `--time` runs it. Seconds are of
the processor, not of the clock, so that other work beside it does not count. `--depth auto` fine-tunes all of them as
by default, which takes hours.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import tsugiki
from tsugiki.data import load_split
from tsugiki.data.splitting import pick_examples
from tsugiki.transfer.base_choice import choose_base
from tsugiki.transfer.base_model import open_base
from tsugiki.transfer.cache import FeatureCache
from tsugiki.transfer.estimate import estimate
from tsugiki.transfer.graft import graft
from tsugiki.transfer.options import read_options
from tsugiki.transfer.report import base_lines
from tsugiki.transfer.splits import read_splits
from tsugiki.transfer.stages import stages_of
from tsugiki.transfer.tuning import rates_for, schedule_for

if TYPE_CHECKING:
    from datasets import Dataset

PARTS = {  # name -> id, part to measure on, rows of a class to learn from and to measure on
    "photographs": ("tsugiki/hymenoptera", "validation", 60, 22),
    "signs": ("tsugiki/sign_digits", "validation", 15, 15),
    "clothes": ("zalando-datasets/fashion_mnist", "test", 15, 20),
}
NOVELS, AUTHORS, PASSAGES, UNSEEN = "tsugiki/english_novels", 5, 40, 60  # rows of an author


def read(name: str) -> tuple[Dataset, Dataset]:
    """Rows to learn from and rows to measure on."""
    if name in PARTS:
        data, part, examples, measured = PARTS[name]
        return few(load_split(data, "train"), examples), few(load_split(data, part), measured)
    passages = load_split(NOVELS, "train").select_columns(["text", "author"]).rename_column("author", "label")
    authors = [author for author, _ in Counter(passages["label"]).most_common(AUTHORS)]
    mine = passages.filter(lambda row: row["label"] in authors).class_encode_column("label")
    cut = mine.train_test_split(test_size=0.5, seed=0)
    return few(cut["train"], PASSAGES), few(cut["test"], UNSEEN)


def few(dataset: Dataset, examples: int) -> Dataset:
    """So many rows of a class."""
    return dataset.select(pick_examples(torch.tensor(dataset["label"]), examples, seed=0).tolist())


def tuned(base: str, train: Dataset, test: Dataset, depth: str) -> tuple[Any, float]:
    """The accuracy of a fine-tuned base with its interval, and the processor's seconds."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = tsugiki.finetune(base, train, test=test, output_dir=Path(folder, "model"), depth=depth, progress=False)
    return result.metrics["accuracy"], time.process_time() - began


def estimated(base: str, train: Dataset) -> float:
    """The processor's seconds of a fine-tuning as by default, all depths trained, from a few steps."""
    options = read_options({"progress": False, "test": 0.01})
    model, processor, task = open_base(base, train, options)
    rows = read_splits(train, task, processor, options)
    grafted = graft(model, task.config_fields(rows.label_names))
    trainings = len(rates_for(options)) + 1
    began, clock = time.process_time(), time.perf_counter()
    cost = estimate(
        grafted,
        rows.train,
        depth=len(stages_of(grafted)),
        schedule=schedule_for(options, len(train)),
        trainings=trainings,
        device="cpu",
    )
    return cost.seconds * (time.process_time() - began) / (time.perf_counter() - clock)


def measure(name: str, depth: str, *, timed: bool) -> None:
    """Rank, fine-tune all, and print both."""
    train, test = read(name)
    with tempfile.TemporaryDirectory() as cache:  # features of the ranking, which the next steps may use
        os.environ["TSUGIKI_CACHE"] = cache
        FeatureCache.default().forget()
        began = time.process_time()
        choice = choose_base(train, read_options({"test": test, "progress": False}))
        ranking = time.process_time() - began
        print(f"\n{name}: {len(train)} rows to learn from, {len(test)} to measure on", flush=True)
        print("\n".join(base_lines(choice)), flush=True)
        once = tuned(choice.base, train, test, "auto")[1] if timed else estimated(choice.base, train)
        how = "" if timed else ", estimated"
        print(f"ranking {ranking:.0f} s, the chosen one fine-tuned as by default {once:.0f} s{how}", flush=True)
        figures = {}
        for probe in choice.probes:
            if probe.accuracy is not None:
                figures[probe.base], seconds = tuned(probe.base, train, test, depth)
                print(f"  {probe.base:<28} {figures[probe.base]}, {seconds:.0f} s", flush=True)
    best = max(figures, key=lambda base: figures[base].value)
    taken, top = figures[choice.base], figures[best]
    verdict = "it is the best" if taken.value == top.value else f"the best is {best}, {top}"
    overlap = "intervals overlap" if taken.high >= top.low else "intervals do not overlap"
    print(f"{name}: chosen {choice.base}, {taken} with depth {depth}; {verdict}; {overlap}; time {ranking / once:.2f}")


def main() -> None:
    """Measure the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=[*PARTS, "novels"], default=[*PARTS, "novels"])
    parser.add_argument("--depth", default="head", help="of the fine-tunings that are compared")
    parser.add_argument("--time", action="store_true", help="fine-tune the chosen one as by default, for its time")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    for name in options.sets:
        measure(name, options.depth, timed=options.time)


if __name__ == "__main__":
    main()
