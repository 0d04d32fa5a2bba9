"""How many pictures a detector looks at in a second, and what post-processing takes of it, one core.

    python benchmarks/detector_speed.py [--models yolo-bccd] [--side 320] [--rounds 5]

The network on one prepared picture of `--side` pixels, then scores, boxes and non-maximum suppression of its best 1,000
candidates, made to overlap as those of a trained detector do (every score above the threshold). Of several rounds the
fastest counts. Preparing a photograph of 640 x 480 pixels stands apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import tsugiki
from PIL import Image

CANDIDATES = 1000


def fastest(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def measure(name: str, side: int, rounds: int) -> str:
    """The line of a model."""
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8))
    model, processor = tsugiki.load(name).eval(), tsugiki.load_processor(name)
    processor.size = {"height": side, "width": side}
    pixels = processor(images=[photograph], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        output = model(pixel_values=pixels)
        best = output.logits.amax(-1)[0].topk(min(CANDIDATES, output.logits.shape[1])).indices
        output.logits = torch.full_like(output.logits, -20.0)
        output.logits[0, best, 0] = torch.linspace(8, 2, len(best))
        output.objectness = torch.full_like(output.objectness, 8.0)
        prepare = fastest(lambda: processor(images=[photograph], return_tensors="pt"), rounds)
        network = fastest(lambda: model(pixel_values=pixels), rounds)
        post = fastest(lambda: processor.post_process_object_detection(output, 0.1, [(480, 640)]), rounds)
    return (
        f"{name}: {1 / (network + post):.1f} pictures/s at {side} pixels ({1000 * network:.1f} ms the network, "
        f"{1000 * post:.2f} ms post-processing of {len(best):,} candidates, {100 * post / (network + post):.1f} %); "
        f"preparing a photograph {1000 * prepare:.1f} ms"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["yolo-bccd"])
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.models:
        print(measure(name, options.side, options.rounds), flush=True)


if __name__ == "__main__":
    main()
