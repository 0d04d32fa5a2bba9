"""`tsugiki stylize`: paints pictures in the style of another."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout
from tsugiki.cli.output_files import OutputFiles, OutputFolder, read_by
from tsugiki.cli.sources import find_inputs, inputs_of_kind
from tsugiki.durations import Stopwatch, duration
from tsugiki.errors import DataError
from tsugiki.inputs import PICTURES
from tsugiki.public_record import public_name
from tsugiki.web import Address, is_address

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

NETWORK = "vgg16bn-half-cifar10"
SMALLEST = 32  # pixels of the longer side: below, the deepest convolutions of a VGG see nothing
STARTS = ("noise", "content")
USUAL = "stylized.png"
# Takes what a picture is called and the picture; gives what was painted (3, H, W), from 0 to 1, and what made it.
Painter = Callable[[str, "Image"], tuple["Tensor", dict[str, Any]]]


def command(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="CONTENT… STYLE",
            help="The pictures to paint (files, folders, patterns, addresses) and last the painting to take the style "
            "of; with --model the pictures alone.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE.png", help=f"The picture to write; by default {USUAL}.")
    ] = None,
    output_dir: OutputFolder = None,
    overwrite: Overwrite = False,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="A stylizer trained for one painting; paints in one pass."),
    ] = None,
    network: Annotated[
        str, typer.Option("--network", metavar="NAME", help="The VGG that judges content and style.")
    ] = NETWORK,
    size: Annotated[int, typer.Option("--size", min=SMALLEST, help="Pixels of the longer side.")] = 256,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="How often the losses are computed.")] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", min=0, help="Weight of the content.")] = None,
    beta: Annotated[float | None, typer.Option("--beta", min=0, help="Weight of the style.")] = None,
    tv: Annotated[float | None, typer.Option("--tv", min=0, help="Weight of the total variation.")] = None,
    content_layer: Annotated[
        str | None, typer.Option("--content-layer", metavar="LAYER", help="The convolution that holds the content.")
    ] = None,
    style_layers: Annotated[
        str | None,
        typer.Option("--style-layers", metavar="A,B,…", help="The convolutions whose Gram matrices are the style."),
    ] = None,
    style_weights: Annotated[
        str | None, typer.Option("--style-weights", metavar="1,0.5,…", help="Their weights; equal by default.")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="|".join(STARTS), help="What the picture starts as.")
    ] = "noise",
    seed: Annotated[int, typer.Option("--seed", help="Of the noise.")] = 0,
    device: Device = None,
    json: Json = False,
) -> int:
    """Paint pictures in the style of another.

    A picture is optimised until a VGG network sees the content of CONTENT and the style of STYLE in it. With --model a
    network that was trained for one painting does it in one pass. The file says in its text chunks what made it.
    Several pictures are painted into a folder that --output-dir names; one that cannot be read is named, the others are
    painted, and the exit code is 1.

    Example:
        tsugiki stylize photograph.jpg painting.jpg --output result.png
        tsugiki stylize photograph.jpg painting.jpg --network timm/vgg19.tv_in1k --size 512 --steps 300
        tsugiki stylize photograph.jpg --model stylize-starry-night
        tsugiki stylize photos/ --model stylize-starry-night --output-dir painted
    """
    optimisation = {
        "steps": steps,
        "alpha": alpha,
        "beta": beta,
        "total_variation": tv,
        "content_layer": content_layer,
        "style_layers": None if style_layers is None else [part.strip() for part in style_layers.split(",")],
        "style_weights": None if style_weights is None else _numbers(style_weights),
    }
    options = {name: value for name, value in optimisation.items() if value is not None}
    if start not in STARTS:
        raise UsageError(f"--from is noise or content, not {start!r}")
    contents, style = (pictures[:-1], pictures[-1]) if model is None else (pictures, None)
    if not contents:
        raise UsageError(
            "name the painting to take the style of, behind the picture, or a trained stylizer with --model"
        )
    if model is not None and options:
        raise UsageError("--model paints in one pass: options of the optimisation do not go with it")
    with only_results_on_stdout() as stdout:
        given = find_inputs(contents)
        found = inputs_of_kind(given, PICTURES)
        reads = [style, model, network, *read_by(given)]
        files = OutputFiles.of_options(
            found, output, output_dir, kind=PICTURES, usual=USUAL, reads=reads, overwrite=overwrite
        )
        if model is None:
            assert style is not None
            paint = optimised(style, network, size=size, seed=seed, start=start, device=device, **options)
        else:
            paint = painted_by(model, size=size, device=device)

        def make(label: str, photograph: Image, path: Path) -> dict[str, Any]:
            stopwatch = Stopwatch()
            picture, facts = paint(label, photograph)
            return _write(path, picture, {**facts, "seconds": stopwatch.seconds}, overwrite=overwrite)

        def show(facts: dict[str, Any]) -> None:
            print(facts["path"], file=stdout)
            note(f"{facts['caption']}; took {duration(facts['seconds'])}")

        return files.write_each(found, make, show, json=json, file=stdout, title="stylize")


def optimised(
    style: str, network: str = NETWORK, *, size: int = 256, device: str | None = None, **options: Any
) -> Painter:
    """What paints a picture in the style of a painting by optimising it.

    Args:
        style: File of the painting, or its address.
        network: Name of a registered VGG.
        size: Pixels of the longer side of the result, and of the painting.
        device: Where to compute.
        **options: Of `tsugiki_vision.style.style_transfer.transfer_style`.

    Raises:
        TsugikiError: The painting or the network cannot be read, or, as it paints, an option does not fit.
    """
    painting = PICTURES.read(Address(style) if is_address(style) else _file(style), style)
    from tsugiki.devices import moved
    from tsugiki.progress import progress_bar

    from .style_losses import LossNetwork
    from .style_transfer import STEPS, StyleLosses, picture_of_size, transfer_style

    losses = moved(LossNetwork.load(network), device)
    wanted = moved(picture_of_size(_tensor(painting), size), device)

    def paint(content: str, photograph: Image) -> tuple[Tensor, dict[str, Any]]:
        with progress_bar(Path(content).name, options.get("steps", STEPS), unit="step") as bar:

            def progress(now: StyleLosses) -> None:
                bar.set_postfix(content=f"{now.content:.3f}", style=f"{now.style:.4f}", refresh=False)
                bar.update()

            pixels = moved(picture_of_size(_tensor(photograph), size), device)
            painted = transfer_style(pixels, wanted, losses, progress=progress, **options)
        first, last = painted.history[0], painted.history[-1]
        caption = (
            f"{Path(content).name} in the style of {Path(style).name}, as {public_name(network)} sees content and style"
        )
        return painted.picture, {
            "caption": caption,
            "network": network,
            "content": content,
            "style": style,
            "size": list(painted.picture.shape[1:]),
            "steps": len(painted.history) - 1,
            "losses": {"start": vars(first), "end": vars(last)},
            "style_loss_ratio": last.style / first.style if first.style > 0 else None,
        }

    return paint


def painted_by(model: str, *, size: int = 256, device: str | None = None) -> Painter:
    """What paints a picture with a stylizer that was trained for one painting.

    Raises:
        TsugikiError: The model cannot be read, or is no stylizer.
    """
    import tsugiki
    from tsugiki.devices import moved
    from tsugiki.errors import OptionError

    from .style_transfer import picture_of_size
    from .stylizer import StylizerModel, paint

    stylizer = moved(tsugiki.load(model), device)
    if not isinstance(stylizer, StylizerModel):
        raise OptionError(
            f"{model} is a {type(stylizer).__name__} and no stylizer; `tsugiki list` shows those there are"
        )
    config = stylizer.config

    def paint_one(content: str, photograph: Image) -> tuple[Tensor, dict[str, Any]]:
        painted = paint(stylizer, picture_of_size(_tensor(photograph), size)[None])[0]
        caption = (
            f"{Path(content).name} in the style of {config.style}, painted by {Path(model).name}, "
            f"for which {public_name(config.loss_network)} saw content and style"
        )
        return painted, {
            "caption": caption,
            "model": model,
            "network": config.loss_network,
            "content": content,
            "style": config.style,
            "size": list(painted.shape[1:]),
        }

    return paint_one


def _write(path: Path, picture: Tensor, facts: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
    """Write a picture `(3, H, W)` from 0 to 1 with what made it, and return that with the path.

    Of the files that made it the picture tells the names: it may be shown to anybody.
    """
    from PIL import Image

    from ..pictures.png_files import write_png

    pixels = (picture.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    names = {key: public_name(facts[key]) for key in ("content", "style", "network", "model") if key in facts}
    made = {key: value for key, value in (facts | names).items() if key != "seconds"}
    text = {"Software": "tsugiki stylize", "Description": facts["caption"], "Comment": json_text.dumps(made)}
    write_png(path, Image.fromarray(pixels), text, overwrite=overwrite)
    return {"path": str(path), **facts}


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--style-weights takes numbers with commas between them, not {text!r}") from error


def _file(name: str) -> Path:
    if not Path(name).is_file():
        raise DataError(f"no such file: {name}")
    return Path(name)


def _tensor(picture: Image) -> Tensor:
    """A picture as `(3, H, W)`, from 0 to 1; what is transparent is laid onto white."""
    import torch
    from tsugiki.picture_processing import ColorImageProcessor

    return torch.from_numpy(ColorImageProcessor().process_image(picture)).float() / 255
