"""A classifier on every window of a picture in one pass, or each window cropped: time, difference, and a plot.

    python benchmarks/sliding_window.py [--model lenet5-mnist] [--size 256] [--stride 1] [--plot windows.png]

Digits of MNIST's test set are pasted on a black canvas. Both ways classify every window; the ratio of their times (of
processor, one thread, the shorter of two runs each) is to be at least 20 at stride 1 on 256 pixels, the logits equal to
1e-4 of their size. Cropping is timed twice: parts of the prepared picture, in batches, which is the least that cropping
can cost; and windows cut out of the picture and prepared each, as whoever hands crops to a classifier does it. The plot
shows the canvas with what was found, and the probability of each window's likeliest class.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tsugiki.data.load_data import load_split
from tsugiki_detection.detectors.box_drawing import draw_boxes
from tsugiki_detection.inference.sliding_window import SlidingWindow

SIDE = 28
FOUND = 0.5  # overlap from which a digit counts as found


def digits_on_canvas(size: int, seed: int) -> tuple[Image.Image, list[tuple[int, int, int]]]:
    """A picture with digits, and the label, left and top of each."""
    draws = np.random.default_rng(seed)
    rows = load_split("ylecun/mnist", "test")
    canvas = np.zeros((size, size), np.uint8)
    pasted = []
    cell = SIDE + 16
    for top in range(0, size - cell, cell):
        for left in range(0, size - cell, cell):
            if draws.random() < 0.5:
                continue
            row = rows[int(draws.integers(len(rows)))]
            x, y = left + int(draws.integers(16)), top + int(draws.integers(16))
            canvas[y : y + SIDE, x : x + SIDE] = np.asarray(row["image"])
            pasted.append((int(row["label"]), x, y))
    return Image.fromarray(canvas), pasted


def shortest(run: Callable[[Tensor], Tensor], pixels: Tensor, rounds: int) -> tuple[float, Tensor]:
    """Seconds of processor of the quickest run, and what it gave."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        answer = run(pixels)
        seconds.append(time.process_time() - start)
    return min(seconds), answer


def picture_seconds(window: SlidingWindow, picture: Image.Image, sample: int) -> float:
    """Seconds of processor a window that is cut out of the picture, prepared as any picture, and classified."""
    places = np.random.default_rng(0).integers(0, picture.width - SIDE, (sample, 2)).tolist()
    start = time.process_time()
    for first in range(0, sample, 64):
        crops = [picture.crop((x, y, x + SIDE, y + SIDE)) for x, y in places[first : first + 64]]
        with torch.inference_mode():
            window.model(**window.processor(images=crops, return_tensors="pt"))
    return (time.process_time() - start) / sample


def overlap(box: dict[str, float], left: int, top: int) -> float:
    """Intersection over union of a box with a pasted digit."""
    wide = max(0.0, min(box["xmax"], left + SIDE) - max(box["xmin"], left))
    high = max(0.0, min(box["ymax"], top + SIDE) - max(box["ymin"], top))
    return wide * high / (2 * SIDE**2 - wide * high)


def main() -> None:
    """Run both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet5-mnist")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=0.999)
    parser.add_argument("--sample", type=int, default=2048, help="windows that are prepared one by one")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", help="PNG file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)

    window = SlidingWindow.open(options.model, stride=options.stride)
    picture, pasted = digits_on_canvas(options.size, options.seed)
    pixels = window.prepare(picture)
    window.logits(pixels[:, :SIDE, :])
    dense_seconds, dense = shortest(window.logits, pixels, options.rounds + 1)
    crop_seconds, cropped = shortest(window.cropped_logits, pixels, options.rounds)
    difference = float((dense - cropped).abs().max() / cropped.abs().max().clamp(min=1))
    print(f"{dense.shape[0] * dense.shape[1]} windows of {options.size} x {options.size}, stride {options.stride}")
    print(f"one pass {dense_seconds:.3f} s, cropped {crop_seconds:.3f} s: {crop_seconds / dense_seconds:.1f} times")
    print(f"largest difference of logits, relative: {difference:.1e}")

    by_picture = picture_seconds(window, picture, options.sample)
    whole = by_picture * dense.shape[0] * dense.shape[1]
    ratio = whole / dense_seconds
    print(f"cut out of the picture and prepared, by {options.sample} of them, {whole:.1f} s: {ratio:.1f} times")

    answers = window.detect(picture, threshold=options.threshold)
    hits = sum(
        any(one["label"] == str(label) and overlap(one["box"], x, y) >= FOUND for one in answers)
        for label, x, y in pasted
    )
    print(f"{hits} of {len(pasted)} digits found, by {len(answers)} boxes of windows above {options.threshold}")

    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.imshow(draw_boxes(picture, answers))
        left.set_title("found")
        chances = dense.softmax(-1).amax(-1).numpy()
        half = SIDE / 2
        extent = (half, half + chances.shape[1] * options.stride, half + chances.shape[0] * options.stride, half)
        shown = right.imshow(chances, extent=extent, cmap="magma")
        right.set_xlim(left.get_xlim())
        right.set_ylim(left.get_ylim())
        right.set_title("probability of the likeliest class, by window's centre")
        figure.colorbar(shown, ax=right)
        figure.savefig(options.plot, dpi=100)


if __name__ == "__main__":
    main()
