"""What attention is worth in translation: the BLEU gap of two networks of the same size, overall and by source length.

    python benchmarks/translation_attention.py [--beams 1 5] [--plot translation_attention.png] [--rows 0]
        [--with-attention translate-ja-en-gru-attention] [--without translate-ja-en-gru]

Both checkpoints, named or given as folders, translate the official test part of tsugiki/small_parallel_enja, greedily
and with a beam. The gap has a paired bootstrap interval (Koehn 2004, Statistical significance tests for machine
translation evaluation): the same sentences are drawn for both. A gap whose interval holds 0 may be chance.
"""

from __future__ import annotations

import argparse
import io
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sacrebleu import __version__ as sacrebleu_version
from tsugiki import load, load_processor
from tsugiki.columns import read_texts
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import bootstrap_interval
from tsugiki.output import write_bytes
from tsugiki_seq2seq.translation.translation import BLEU_TOKENIZE, TextTranslation, bleu_of_counts

Counts = NDArray[np.float32]
Figures = tuple[float, float, float]  # value, and its 95 % interval


def translate(name: str, beams: int, options: argparse.Namespace) -> tuple[Counts, list[str], str, float]:
    """Counts that BLEU is made of, for each sentence; the sources; how BLEU splits texts; seconds."""
    task, model, tokenizer = TextTranslation(), load(name), load_processor(name)
    model.generation_config.num_beams = beams
    data = load_split(options.data, options.split)
    if options.rows:
        data = data.select(range(min(options.rows, len(data))))
    columns = task.columns(data, {"source": options.source, "target": options.target})
    table = task.table(data, tokenizer, columns)
    started = time.perf_counter()
    counts = predict_table(model, table, task=task, batch_size=options.batch).outputs
    seconds = time.perf_counter() - started
    scheme = tokenizer.init_kwargs.get("bleu_tokenize", BLEU_TOKENIZE)
    return counts, read_texts(data, columns["source"]), scheme, seconds


def bleu(counts: Counts) -> float:
    """BLEU of a corpus, 0 to 100."""
    return float(bleu_of_counts(counts.astype(np.float64).sum(0)))


def with_interval(counts: Counts, options: argparse.Namespace) -> Figures:
    """BLEU with its bootstrap interval over the sentences."""
    low, high = bootstrap_interval(
        len(counts), lambda rows: bleu(counts[rows]), resamples=options.resamples, seed=options.seed
    )
    return bleu(counts), low, high


def gap(one: Counts, other: Counts, options: argparse.Namespace) -> Figures:
    """BLEU of one less that of the other, with the paired bootstrap interval."""
    low, high = bootstrap_interval(
        len(one),
        lambda rows: bleu(one[rows]) - bleu(other[rows]),
        resamples=options.resamples,
        seed=options.seed,
    )
    return bleu(one) - bleu(other), low, high


def length_bins(sources: list[str], wanted: int) -> list[tuple[str, NDArray[np.int64]]]:
    """Sentences by their number of words, in groups of about the same size: titles and rows."""
    lengths = np.array([len(source.split()) for source in sources])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, wanted + 1)).round().astype(int))
    if len(edges) == 1:
        edges = np.append(edges, edges[0] + 1)
    edges[-1] = lengths.max() + 1
    found = []
    for first, behind in pairwise(edges):
        rows = np.flatnonzero((lengths >= first) & (lengths < behind))
        if len(rows):
            found.append((f"{first}" if behind == first + 1 else f"{first}-{behind - 1}", rows))
    return found


def draw(titles: list[str], bars: dict[str, list[Figures]], gaps: list[Figures], path: Path) -> None:
    """BLEU of both by length of the source, and below it the gap, with their intervals."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    places = np.arange(len(titles))
    for number, (name, figures) in enumerate(bars.items()):
        values, low, high = (np.array(column) for column in zip(*figures, strict=True))
        above.errorbar(places + 0.12 * number - 0.06, values, [values - low, high - values], fmt="o-", label=name)
    above.set_ylabel("BLEU")
    above.legend()
    values, low, high = (np.array(column) for column in zip(*gaps, strict=True))
    below.errorbar(places, values, [values - low, high - values], fmt="s-", color="black")
    below.axhline(0, color="gray", linewidth=0.8)
    below.set_ylabel("gap (paired interval)")
    below.set_xticks(places, titles)
    below.set_xlabel("words of the source")
    write_bytes(path, _png(figure))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def shown(figures: Figures) -> str:
    """A figure with its interval."""
    value, low, high = figures
    return f"{value:6.2f} [{low:6.2f}, {high:6.2f}]"


def main() -> None:
    """Translate, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with-attention", default="translate-ja-en-gru-attention", help="checkpoint or folder")
    parser.add_argument("--without", default="translate-ja-en-gru", help="checkpoint or folder")
    parser.add_argument("--data", default="tsugiki/small_parallel_enja")
    parser.add_argument("--split", default="test")
    parser.add_argument("--source", default="ja", help="column of the sources")
    parser.add_argument("--target", default="en", help="column of the translations")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5], help="beam widths; 1 is greedy")
    parser.add_argument("--groups", type=int, default=5, help="groups of source lengths")
    parser.add_argument("--rows", type=int, default=0, help="sentences to translate; 0 for all")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--plot", type=Path, help="picture of the gap by length, for the last beam width")
    options = parser.parse_args()

    names = {"with attention": options.with_attention, "without": options.without}
    for beams in options.beams:
        found = {title: translate(name, beams, options) for title, name in names.items()}
        (one, sources, scheme, _), (other, *_) = found.values()
        print(f"{options.data} [{options.split}], {len(one)} sentences, beam {beams}")
        print(f"sacrebleu {sacrebleu_version} nrefs:1|case:mixed|eff:no|tok:{scheme}|smooth:exp")
        for title, (counts, _, _, seconds) in found.items():
            print(f"  {title:15} {names[title]:32} BLEU {shown(with_interval(counts, options))}  {seconds:6.1f} s")
        print(f"  {'gap, paired':48} BLEU {shown(gap(one, other, options))}")
        print(f"  {'words of source':>15} {'sentences':>9}  {'with attention':>25}  {'without':>25}  {'gap':>25}")
        titles: list[str] = []
        bars: dict[str, list[Figures]] = {title: [] for title in names}
        gaps: list[Figures] = []
        for title, rows in length_bins(sources, options.groups):
            titles.append(title)
            bars["with attention"].append(with_interval(one[rows], options))
            bars["without"].append(with_interval(other[rows], options))
            gaps.append(gap(one[rows], other[rows], options))
            cells = "  ".join(shown(part[-1]) for part in (bars["with attention"], bars["without"], gaps))
            print(f"  {title:>15} {len(rows):9}  {cells}", flush=True)
        if options.plot is not None and beams == options.beams[-1]:
            draw(titles, bars, gaps, options.plot)


if __name__ == "__main__":
    main()
