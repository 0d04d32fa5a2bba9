"""What the features of a photograph cost: EfficientNet-Lite0 here beside timm's same network, in turns.

    TSUGIKI_REFERENCE=FOLDER python benchmarks/features_against_timm.py [--pictures 200] [--rounds 5]

Pictures of 224 pixels a side go through both networks without gradients, as many at a time as `tsugiki` takes on a CPU,
in fp32 with equal threads; which is first changes every round. Printed are the medians of milliseconds a picture, and
their ratio. Both have the same convolutions, so that the ratio is what our modules and outputs add. timm is read out of
the folder that CONTRIBUTING.md describes; it takes fresh weights, which cost what trained ones do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import PASS_BYTES

from tests.vision.torchvision_reference import timm

SIDE = 224


def main() -> None:
    """Run both in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ours = create_model("efficientnet-lite", "base").eval()
    theirs = timm().create_model("tf_efficientnet_lite0", num_classes=0).eval()
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "tsugiki": lambda batch: ours(pixel_values=batch).pooler_output,
        "timm": theirs,
    }
    size = max(1, PASS_BYTES // (3 * SIDE * SIDE * 4))
    pictures = torch.randn(options.pictures, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for way in ways.values():
            way(pictures[:size])
        for number in range(options.rounds):
            for name in list(ways)[:: 1 if number % 2 else -1]:
                began = time.perf_counter()
                for start in range(0, len(pictures), size):
                    ways[name](pictures[start : start + size])
                seconds[name].append(time.perf_counter() - began)
    medians = {name: 1000 * statistics.median(times) / options.pictures for name, times in seconds.items()}
    count = {
        name: sum(weight.numel() for weight in model.parameters())
        for name, model in (("tsugiki", ours), ("timm", theirs))
    }
    for name, milliseconds in medians.items():
        print(f"{name:<8} {milliseconds:6.2f} ms a picture, {count[name]:,} parameters")
    print(f"ratio {medians['tsugiki'] / medians['timm']:.3f}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
