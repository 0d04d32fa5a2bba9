"""How much longer a beam search takes than a greedy one.

    python benchmarks/beam_speed.py [NAME] [--beam 5] [--rows 200] [--batch 1 8 32] [--repeats 3] [--cpu-time]

NAME is a translator, by name or folder. Without it there is a model of random weights with the sizes of
hub_cards/translate-ja-en-gru-attention and as large a vocabulary; since it would never end a sentence, every target
then has as many tokens as its batch's longest source. Both searches translate the same rows of
tsugiki/small_parallel_enja in the same batches, in turns; the median of their times is compared.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tsugiki import create_model
from tsugiki.columns import read_texts
from tsugiki.data.load_data import load_split
from tsugiki.recipes.recipe import Recipe
from tsugiki.snapshots.snapshot import Snapshot
from tsugiki_seq2seq.texts.generating import length_limit
from tsugiki_seq2seq.texts.tokenizer_training import train_tokenizer
from tsugiki_seq2seq.translation.open_translators import encode_texts, load_translator
from tsugiki_seq2seq.translation.translation import TextTranslation

DATA, COLUMNS = "tsugiki/small_parallel_enja", {"source": "ja", "target": "en"}
RECIPE = Path(__file__).parents[1] / "hub_cards" / "translate-ja-en-gru-attention"


def untrained() -> tuple[Any, Any]:
    """A model of the recipe's size and the recipe's tokenizer."""
    recipe, task = Recipe.read(RECIPE), TextTranslation()
    data = load_split(DATA, "train")
    tokenizer = train_tokenizer(data, task.columns(data, COLUMNS), **recipe.processor)
    torch.manual_seed(0)
    model = create_model(recipe.family, recipe.task, **recipe.config, **task.processor_fields(tokenizer))
    model.generation_config.eos_token_id = None  # nothing ends before its greatest length
    return model.eval(), tokenizer


def batches(sources: list[list[int]], size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Sources of like length together: token numbers and mask, (B, S) each."""
    ordered = sorted(sources, key=len)
    made = []
    for start in range(0, len(ordered), size):
        rows = ordered[start : start + size]
        width = len(rows[-1])
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        made.append((ids, mask))
    return made


def search(model: Any, given: list[tuple[torch.Tensor, torch.Tensor]], beams: int, *, trained: bool) -> int:
    """Translate all batches; the number of tokens written, ends aside."""
    tokens = 0
    for ids, mask in given:
        limits = length_limit(model) if trained else {"max_new_tokens": ids.shape[1]}
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                num_beams=beams,
                do_sample=False,
                **limits,
            )
        # generate fills rows that have ended with padding or, where that has the number 0, with further ends.
        special = torch.tensor([model.config.pad_token_id, model.config.eos_token_id], device=out.device)
        tokens += int((~torch.isin(out[:, 1:], special)).sum())
    return tokens


def seconds(run: Callable[[], int], device: torch.device, clock: Callable[[], float]) -> tuple[float, int]:
    """Time of a run and what it returned."""
    started = clock()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started, result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="a translator; by default one of random weights")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200, help="source sentences")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32], help="sentences at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time: others use it too")
    options = parser.parse_args()

    clock = time.process_time if options.cpu_time else time.perf_counter
    torch.set_num_threads(options.threads)
    model, tokenizer = load_translator(Snapshot.open(options.name)) if options.name else untrained()
    model.to(options.device)
    data = load_split(DATA, "test")
    sources = read_texts(data, TextTranslation().columns(data, COLUMNS)["source"])[: options.rows]
    encoded, trained = encode_texts(tokenizer, sources), options.name is not None
    print(f"{options.name or 'random weights'}, {len(sources)} sentences, {model.device}")
    print(f"{'batch':>5} {'greedy':>9} {'beam ' + str(options.beam):>9} {'ratio':>6}  tokens written")
    for size in options.batch:
        given = batches(encoded, size)
        times: dict[int, list[float]] = {1: [], options.beam: []}
        written: dict[int, int] = {}
        for beams in times:
            search(model, given[:1], beams, trained=trained)
        for _ in range(options.repeats):
            for beams in times:
                run = functools.partial(search, model, given, beams, trained=trained)
                took, written[beams] = seconds(run, model.device, clock)
                times[beams].append(took)
        greedy, beam = (statistics.median(found) for found in times.values())
        tokens = " and ".join(f"{count:,}" for count in written.values())
        print(f"{size:5} {greedy:7.2f} s {beam:7.2f} s {beam / greedy:6.2f}  {tokens}", flush=True)


if __name__ == "__main__":
    main()
