"""Style transfer at 256 pixels: its time, its style loss, and whether the content is still told apart.

    python benchmarks/style_transfer.py [--network vgg16bn-half-cifar10] [--folder /tmp/style_transfer] [--from noise]

Photographs of tsugiki/style_images are painted in the style of its paintings, and for each pair are printed

1. the seconds it took (at most 180 on two cores), by the clock and of the processor: on a machine that does other work
   besides, only the second can be compared,
2. the style loss of the result over that of the picture it started from (at most 0.1),
3. which of all pictures of the set the result's content features, the maps of the content layer, are nearest to, with
   the distance and that of the next (it must be its own content picture).

The pictures are written to the folder, one by one and side by side.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tsugiki.data.load_data import load_split
from tsugiki_vision.pictures.png_files import write_png
from tsugiki_vision.style.style_losses import CONTENT_LAYER, LossNetwork, content_loss
from tsugiki_vision.style.style_transfer import STEPS, picture_of_size, transfer_style
from tsugiki_vision.style.stylize_command import NETWORK

PAIRS = (
    ("Eileen Collins", "The Starry Night (1889)"),
    ("Chelsea the cat", "The Great Wave off Kanagawa (c. 1831), crop"),
    ("Coffee cup", "The Night Cafe (1888)"),
    ("DSCOVR launch", "Olive Trees (1889)"),
)
MOST_SECONDS, MOST_STYLE = 180, 0.1


def pictures_of_the_set(size: int) -> dict[str, Tensor]:
    """Every picture by its title, `(3, H, W)` from 0 to 1, its longer side `size` pixels."""
    rows = load_split("tsugiki/style_images", "train")
    return {
        row["title"]: picture_of_size(
            torch.from_numpy(np.array(row["image"].convert("RGB"))).permute(2, 0, 1).float() / 255, size
        )
        for row in rows
    }


def distances(result: Tensor, pictures: dict[str, Tensor], network: LossNetwork, layer: str) -> dict[str, float]:
    """How far the result's content features are from those of each picture, brought to its size; nearest first."""
    resized = {
        title: F.interpolate(one[None], size=result.shape[1:], mode="bilinear", antialias=True).clamp(0, 1)
        for title, one in pictures.items()
    }
    with torch.no_grad():
        own = network(result[None], [layer])[layer]
        found = {title: float(content_loss(own, network(one, [layer])[layer])) for title, one in resized.items()}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def as_image(picture: Tensor) -> Image.Image:
    """A picture `(3, H, W)` from 0 to 1 for Pillow."""
    return Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy())


def main() -> None:
    """Paint, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/style_transfer"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--from", dest="start", choices=("noise", "content"), default="noise")
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="how many of the pairs")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    network = LossNetwork.load(arguments.network)
    pictures = pictures_of_the_set(arguments.size)
    print(f"{arguments.network}, {arguments.size} px, {arguments.steps} steps from {arguments.start}")
    print(f"{'content':<16} {'style':<24} {'seconds':>8} {'cpu':>5} {'style':>7}  nearest content (distance), next")
    good = True
    for content, style in PAIRS[: arguments.pairs]:
        started, worked = time.perf_counter(), time.process_time()
        painted = transfer_style(
            pictures[content], pictures[style], network, steps=arguments.steps, start=arguments.start
        )
        seconds, work = time.perf_counter() - started, time.process_time() - worked
        result = (painted.picture * 255).round() / 255  # what the file holds
        ratio = painted.history[-1].style / painted.history[0].style
        (nearest, distance), (second, further), *_ = distances(result, pictures, network, CONTENT_LAYER).items()
        good &= seconds <= MOST_SECONDS and ratio <= MOST_STYLE and nearest == content
        print(
            f"{content:<16} {style[:24]:<24} {seconds:>8.0f} {work:>5.0f} {ratio:>7.4f}  "
            f"{nearest} ({distance:.3f}), {second} ({further:.3f})",
            flush=True,
        )
        name = f"{content.split()[0]}-{style.split('(')[0].strip()}".lower().replace(" ", "-")
        text = {"Description": f"{content} in the style of {style}, as {arguments.network} sees content and style"}
        write_png(arguments.folder / f"{name}.png", as_image(result), text, overwrite=True)
        triptych = side_by_side(pictures[content], pictures[style], result)
        write_png(arguments.folder / f"{name}-triptych.png", triptych, text, overwrite=True)
    print("all within the limits" if good else "NOT all within the limits")


def side_by_side(*pictures: Tensor) -> Image.Image:
    """Pictures in a row, brought to the height of the last."""
    height = pictures[-1].shape[1]
    images = [as_image(one) for one in pictures]
    images = [one.resize((round(one.width * height / one.height), height), Image.Resampling.LANCZOS) for one in images]
    row = Image.new("RGB", (sum(one.width for one in images), height))
    left = 0
    for one in images:
        row.paste(one, (left, 0))
        left += one.width
    return row


if __name__ == "__main__":
    main()
