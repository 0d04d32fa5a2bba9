"""`tsugiki stylize`: paints one picture in the style of another."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.durations import Stopwatch, duration
from tsugiki.errors import DataError
from tsugiki.output_path import check_output_path
from tsugiki.public_record import public_name
from tsugiki.web import TIMEOUT, is_address

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

NETWORK = "vgg16bn-half-cifar10"
SMALLEST = 32  # pixels of the longer side: below, the deepest convolutions of a VGG see nothing
STARTS = ("noise", "content")


def command(
    content: Annotated[
        str, typer.Argument(metavar="CONTENT", help="The picture to paint, or its address.", show_default=False)
    ],
    style: Annotated[
        str | None,
        typer.Argument(
            metavar="STYLE", help="The painting to take the style of; none with --model.", show_default=False
        ),
    ] = None,
    output: Annotated[str, typer.Option("--output", metavar="FILE.png", help="The picture to write.")] = "stylized.png",
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
) -> None:
    """Paint one picture in the style of another.

    A picture is optimised until a VGG network sees the content of CONTENT and the style of STYLE in it. With --model a
    network that was trained for one painting does it in one pass. The file says in its text chunks what made it.

    Example:
        tsugiki stylize photograph.jpg painting.jpg --output result.png
        tsugiki stylize photograph.jpg painting.jpg --network timm/vgg19.tv_in1k --size 512 --steps 300
        tsugiki stylize photograph.jpg --model stylize-starry-night
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
    if (style is None) == (model is None):
        raise UsageError("name the painting to take the style of, or a trained stylizer with --model, and not both")
    if model is not None and options:
        raise UsageError("--model paints in one pass: options of the optimisation do not go with it")
    path = check_output_path(output, reads=[content, style, model, network], overwrite=overwrite)
    with only_results_on_stdout():
        if model is None:
            assert style is not None
            facts = stylize(
                content,
                style,
                path,
                network,
                size=size,
                seed=seed,
                start=start,
                device=device,
                overwrite=overwrite,
                **options,
            )
        else:
            facts = stylize_with(model, content, path, size=size, device=device, overwrite=overwrite)
    if json:
        print_json(facts)
        return
    print(facts["path"])
    note(f"{facts['caption']}; took {duration(facts['seconds'])}")


def stylize(
    content: str,
    style: str,
    output: Path,
    network: str = NETWORK,
    *,
    size: int = 256,
    device: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Optimise a picture, write it, and return its path, what made it and its losses at the start and the end.

    Args:
        content: File of the content picture.
        style: File of the painting.
        output: The PNG file to write.
        network: Name of a registered VGG.
        size: Pixels of the longer side of the result, and of the painting.
        device: Where to compute.
        overwrite: Replace a file that is there.
        **options: Of `tsugiki_vision.style.style_transfer.transfer_style`.

    Raises:
        TsugikiError: A file or the network cannot be read, an option does not fit, or the output cannot be written.
    """
    photograph, painting = _open(content), _open(style)
    from tsugiki.devices import moved
    from tsugiki.progress import progress_bar

    from .style_losses import LossNetwork
    from .style_transfer import STEPS, StyleLosses, picture_of_size, transfer_style

    losses = moved(LossNetwork.load(network), device)
    stopwatch = Stopwatch()
    with progress_bar("stylize", options.get("steps", STEPS), unit="step") as bar:

        def progress(now: StyleLosses) -> None:
            bar.set_postfix(content=f"{now.content:.3f}", style=f"{now.style:.4f}", refresh=False)
            bar.update()

        pixels, wanted = (moved(picture_of_size(_tensor(one), size), device) for one in (photograph, painting))
        painted = transfer_style(pixels, wanted, losses, progress=progress, **options)
    first, last = painted.history[0], painted.history[-1]
    caption = (
        f"{Path(content).name} in the style of {Path(style).name}, as {public_name(network)} sees content and style"
    )
    facts = {
        "caption": caption,
        "network": network,
        "content": content,
        "style": style,
        "size": list(painted.picture.shape[1:]),
        "steps": len(painted.history) - 1,
        "losses": {"start": vars(first), "end": vars(last)},
        "style_loss_ratio": last.style / first.style if first.style > 0 else None,
        "seconds": stopwatch.seconds,
    }
    return _write(output, painted.picture, facts, overwrite=overwrite)


def stylize_with(
    model: str, content: str, output: Path, *, size: int = 256, device: str | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Paint with a stylizer that was trained for one painting, and return the path and what made the picture.

    Raises:
        TsugikiError: The file or the model cannot be read, the model is no stylizer, or the output cannot be written.
    """
    picture = _open(content)
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
    stopwatch = Stopwatch()
    pixels = picture_of_size(_tensor(picture), size)
    painted = paint(stylizer, pixels[None])[0]
    config = stylizer.config
    caption = (
        f"{Path(content).name} in the style of {config.style}, painted by {Path(model).name}, "
        f"for which {public_name(config.loss_network)} saw content and style"
    )
    facts = {
        "caption": caption,
        "model": model,
        "network": config.loss_network,
        "content": content,
        "style": config.style,
        "size": list(painted.shape[1:]),
        "seconds": stopwatch.seconds,
    }
    return _write(output, painted, facts, overwrite=overwrite)


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


def _open(file: str) -> Image:
    if is_address(file):
        from tsugiki.images import fetch_image

        return fetch_image(file, timeout=TIMEOUT)
    if not Path(file).is_file():
        raise DataError(f"no such file: {file}")
    from tsugiki.images import open_image

    return open_image(Path(file), name=file)


def _tensor(picture: Image) -> Tensor:
    """A picture as `(3, H, W)`, from 0 to 1; what is transparent is laid onto white."""
    import torch

    from ..pictures.processing import ColorImageProcessor

    return torch.from_numpy(ColorImageProcessor().process_image(picture)).float() / 255
