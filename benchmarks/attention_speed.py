"""How fast small Transformers train with attention computed as ``eager`` and as ``sdpa``.

    python benchmarks/attention_speed.py [--steps 6] [--repeats 3] [--cpu-time] [--no-bf16]

The networks are those of the recipes named below, on random tokens as long as their data has them. A step is a forward
and a backward pass; the two ways take turns, and the medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from tsugiki import create_model
from tsugiki.recipes.recipe import Recipe

CARDS = Path(__file__).parents[1] / "hub_cards"
SHAPES = {"translate-ja-en-transformer": (64, 16), "bert-tiny-novels": (32, 128), "gpt2-tiny-novels": (32, 128)}
WAYS = ("sdpa", "eager")
SPECIAL = 4  # tokens that are no words: padding, start, end, unknown


def network(name: str) -> Any:
    """The recipe's network, with fresh weights."""
    recipe = Recipe.read(CARDS / name)
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    return create_model(
        recipe.family, recipe.task, **recipe.config, vocab_size=recipe.processor["vocab_size"], **ends
    ).train()


def seconds(model: Any, tokens: torch.Tensor, options: argparse.Namespace) -> float:
    """Mean time of a step."""
    clock = time.process_time if options.cpu_time else time.perf_counter
    started = clock()
    for _ in range(options.steps):
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=options.bf16):
            loss = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=tokens).loss
        loss.backward()
        model.zero_grad()
    return (clock() - started) / options.steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time: others use it too")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    print(f"{'recipe':<28} {'rows':>4} {'tokens':>6} " + " ".join(f"{way:>9}" for way in WAYS) + "  sdpa / eager")
    for name, (rows, length) in SHAPES.items():
        model = network(name)
        tokens = torch.randint(SPECIAL, model.config.vocab_size, (rows, length))
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for repeat in range(options.repeats + 1):
            for way in WAYS:
                model.set_attn_implementation(way)
                took = seconds(model, tokens, options)
                if repeat:  # the first of each warms up
                    times[way].append(took)
        middle = {way: statistics.median(found) for way, found in times.items()}
        cells = " ".join(f"{middle[way]:7.3f} s" for way in WAYS)
        print(f"{name:<28} {rows:4} {length:6} {cells}  {middle['sdpa'] / middle['eager']:.2f}", flush=True)


if __name__ == "__main__":
    main()
