"""Convolution from the ground up: edges in a picture, output sizes, and the gate that one layer cannot learn.

    python examples/convolution_basics.py [PHOTO] [--output convolution_basics] [--starts 10]

Without a photograph it draws a picture of its own. In the output folder it leaves `edge_filters.png`, what each filter
makes of the picture; `output_sizes.png`, where a kernel stands for several paddings and strides; and `xor.png`, what a
network with one layer and one with two answer to the gate.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from tsugiki_vision.classifiers.convolution_basics import output_size, padding_pixels, train_xor, xor_network
from tsugiki_vision.classifiers.convolution_pictures import draw_edge_filters, draw_output_sizes, draw_xor

SIZES = [(6, 3, "valid", 1), (6, 3, "same", 1), (7, 3, "valid", 2), (6, 3, "valid", 2), (28, 5, 2, 1), (224, 11, 2, 4)]
HIDDEN_UNITS = (0, 2, 3, 4)


def own_picture(side: int = 96) -> Image.Image:
    """A house and a sun: edges of every direction."""
    picture = Image.new("L", (side, side), 90)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 45, 60, 85), fill=210)
    draw.polygon([(14, 45), (40, 18), (66, 45)], fill=150)
    draw.rectangle((34, 62, 46, 85), fill=40)
    draw.ellipse((66, 8, 90, 32), fill=250)
    return picture


def main() -> None:
    """Draw the pictures and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, nargs="?")
    parser.add_argument("--output", type=Path, default=Path("convolution_basics"))
    parser.add_argument("--starts", type=int, default=10, help="fresh weights that each network is trained from")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    picture = Image.open(options.photo).convert("L") if options.photo else own_picture()
    draw_edge_filters(torch.from_numpy(np.array(picture)).float(), options.output / "edge_filters.png", overwrite=True)

    print("output side = floor((n + 2p - f) / s) + 1")
    print("    n   f       p  s  output")
    for size, kernel_size, padding, stride in SIZES:
        zeros = padding_pixels(kernel_size, padding)
        name = f"{zeros} ({padding})" if isinstance(padding, str) else str(zeros)
        result = output_size(size, kernel_size, padding, stride)
        print(f"{size:5}  {kernel_size:2}  {name:>9}  {stride}  {result:4}")
    draw_output_sizes(options.output / "output_sizes.png", [size for size in SIZES if size[0] < 10], overwrite=True)

    print(f"\nXOR, right answers of 4 after training, best of {options.starts} starts")
    drawn = []
    for hidden_units in HIDDEN_UNITS:
        networks = [xor_network(hidden_units, seed=seed) for seed in range(options.starts)]
        accuracies = [train_xor(network) for network in networks]
        best = accuracies.index(max(accuracies))
        layers = f"two layers, {hidden_units} hidden units" if hidden_units else "one layer"
        reached = sum(accuracy == 1 for accuracy in accuracies)
        print(f"{layers:28} {max(accuracies):4.0%}   all four right from {reached} of {options.starts} starts")
        drawn.append((f"{layers}: {max(accuracies):.0%}", networks[best]))
    draw_xor([drawn[0], drawn[1], drawn[-1]], options.output / "xor.png", overwrite=True)


if __name__ == "__main__":
    main()
