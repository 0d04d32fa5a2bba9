"""`tsugiki sample`: pictures that a generative model draws, in one PNG file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import only_results_on_stdout, print_json
from tsugiki.errors import TsugikiError
from tsugiki.output_path import check_output_path

MOST = 10_000  # pictures in one file


def command(
    name: ModelName,
    count: Annotated[int, typer.Option("--count", min=1, max=MOST, help="How many pictures to draw.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Of what is drawn: the same seed, the same pictures.")] = 0,
    output: Annotated[str, typer.Option("--output", metavar="FILE.png", help="The picture to write.")] = "samples.png",
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw new pictures with a generative model.

    They are laid out in one PNG file, pixel for pixel.

    Example:
        tsugiki sample vae-mnist
        tsugiki sample pixelcnn-mnist --count 16 --seed 1 --output digits.png
    """
    with only_results_on_stdout():
        facts = sample(name, count=count, seed=seed, output=output, device=device, overwrite=overwrite)
    if json:
        print_json(facts)
        return
    print(facts["path"])


def sample(
    name: str, *, count: int, seed: int, output: str, device: str | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write the picture and return what it shows: path, model, count, seed and the size of one picture.

    Raises:
        TsugikiError: The model is unknown or draws no pictures, or the output cannot be written.
    """
    from ..pictures.png_files import write_png

    path = check_output_path(output, reads=[name], overwrite=overwrite)
    import torch
    import tsugiki
    from tsugiki.devices import moved

    from ..pictures.picture_grid import picture_grid

    model = moved(tsugiki.load(name), device)
    draw = getattr(model, "sample", None)
    if not callable(draw):
        raise TsugikiError(
            f"{name} ({type(model).__name__}) draws no pictures; "
            "tsugiki list --task unconditional-image-generation names those that do"
        )
    pictures = draw(count, torch.Generator().manual_seed(seed))  # (count, C, H, W), from 0 to 1
    caption = f"{count} pictures of {Path(name).name}, seed {seed}"
    write_png(
        path, picture_grid(pictures.cpu()), {"Title": "tsugiki sample", "Description": caption}, overwrite=overwrite
    )
    height, width = pictures.shape[2:]
    return {
        "path": str(path),
        "name": Path(name).name,
        "count": count,
        "seed": seed,
        "picture_size": {"height": int(height), "width": int(width)},
    }
