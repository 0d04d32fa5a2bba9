"""Epochs until a recurrent encoder-decoder knows 95 of the hundred poems by heart, with attention and without.

    python benchmarks/poem_memory.py [--seeds 3] [--epochs 120] [--hidden 256] [--plot poem_memory.png]

The upper half of each poem of tsugiki/hyakunin_isshu is given, character by character, and the lower half is written by
greedy search; a poem is known when every character of it is right. Both networks have the same sizes of embeddings and
states, the same learning rate, kept constant, and the same batches; attention adds its own matrices. After every second
epoch all poems are asked for.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from tsugiki.data.load_data import load_split
from tsugiki_seq2seq.texts.sentence_pairs import PaddedPairs
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig
from tsugiki_seq2seq.translation.translation import TextTranslation, generate_texts

COLUMNS = {"source": "upper", "target": "lower"}


def known_poems(model: RecurrentForConditionalGeneration, table: Any) -> int:
    """How many lower halves the model writes without a mistake."""
    assert isinstance(table.transform, PaddedPairs)
    model.eval()
    texts = generate_texts(model, table, table.transform.tokenizer, batch_size=len(table))
    model.train()
    return sum(text == reference for text, reference in zip(texts, table.transform.references, strict=True))


def learn_poems(
    attention: str, seed: int, table: Any, vocabulary: int, options: argparse.Namespace
) -> tuple[list[tuple[int, int]], int, float]:
    """Train one network until it knows enough; (epoch, poems known) on the way, its parameters and seconds."""
    torch.manual_seed(seed)
    model = RecurrentForConditionalGeneration(
        RecurrentSeq2SeqConfig(
            vocab_size=vocabulary,
            hidden_size=options.hidden,
            embedding_size=options.embedding,
            attention=attention,
            dropout=options.dropout,
        )
    ).train()
    model.generation_config.max_new_tokens = 40
    optimizer = torch.optim.AdamW(model.parameters(), options.learning_rate)
    order = torch.Generator().manual_seed(seed)
    curve: list[tuple[int, int]] = []
    started = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        for rows in torch.randperm(len(table), generator=order).split(options.batch):
            loss = model(**table.batch(rows)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        if epoch % 2 == 0:
            curve.append((epoch, known_poems(model, table)))
            if curve[-1][1] >= options.wanted:
                break
    return curve, model.num_parameters(), time.perf_counter() - started


def plot_curves(curves: dict[str, list[list[tuple[int, int]]]], wanted: int, path: Path) -> None:
    """Poems known by epoch, a line a seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes: Any = figure.subplots()
    for number, (attention, runs) in enumerate(curves.items()):
        for place, run in enumerate(runs):
            axes.plot(*zip(*run, strict=True), color=f"C{number}", label=attention if place == 0 else None)
    axes.axhline(wanted, color="tab:gray", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel="poems known of 100")
    axes.legend(title="attention", frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=120, help="at most")
    parser.add_argument("--wanted", type=int, default=95, help="poems to know")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--embedding", type=int, default=96)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--attention", nargs="+", default=["bahdanau", "luong-general", "none"])
    parser.add_argument("--plot", type=Path, help="a PNG file")
    options = parser.parse_args()

    data = load_split("tsugiki/hyakunin_isshu", "train")
    tokenizer = learn_tokenizer(data["upper"][:] + data["lower"][:], kind="character", vocab_size=2000)
    table = TextTranslation().table(data, tokenizer, COLUMNS)
    print(f"{len(table)} poems, {len(tokenizer)} characters; epochs until {options.wanted} are known")
    print(f"{'attention':14} {'parameters':>10}  {'epochs':>18}  {'median':>6}  {'known':>12}  seconds")
    curves: dict[str, list[list[tuple[int, int]]]] = {}
    for attention in options.attention:
        needed: list[float] = []
        seconds, parameters = 0.0, 0
        for seed in range(options.seeds):
            curve, parameters, spent = learn_poems(attention, seed, table, len(tokenizer), options)
            curves.setdefault(attention, []).append(curve)
            needed.append(curve[-1][0] if curve[-1][1] >= options.wanted else float("inf"))
            seconds += spent
        shown = " ".join("never" if one == float("inf") else f"{one:.0f}" for one in needed)
        known = " ".join(str(run[-1][1]) for run in curves[attention])
        median = statistics.median_low(needed)
        print(f"{attention:14} {parameters:10,}  {shown:>18}  {median:6.0f}  {known:>12}  {seconds:7.0f}", flush=True)
    if options.plot:
        plot_curves(curves, options.wanted, options.plot)


if __name__ == "__main__":
    main()
