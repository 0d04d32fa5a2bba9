"""`tsugiki explain`: one picture of what a classifier looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.output_path import check_output_path
from tsugiki.web import TIMEOUT, is_address

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from transformers import PreTrainedModel

    from .picture import Panel
    from .saliency_maps import Unit

METHODS = ("all", "gradient", "guided", "grad-cam", "best-input")


def command(
    name: ModelName,
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE", help="A picture or its address; not needed for --method best-input.", show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="CLASS", help="A class by name or number; by default the model's answer."),
    ] = None,
    method: Annotated[str, typer.Option("--method", metavar="|".join(METHODS), help="What to draw.")] = "all",
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="A stage or module for Grad-CAM; by default the last stage with maps."),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="STAGE:CHANNEL", help="What the best input excites; by default the class."),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps towards the best input.")] = 256,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE.png", help="The picture to write.")
    ] = "explanation.png",
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw what a classifier looked at.

    One picture holds the input as the network sees it, the gradient of the class, guided backpropagation, Grad-CAM
    alone and over the input, and the input that excites the class most.

    Example:
        tsugiki explain resnet20-cifar10 cat.png
        tsugiki explain resnet20-cifar10 cat.png --target dog --method grad-cam --layer stage2
        tsugiki explain resnet20-cifar10 --method best-input --unit stage3:12
    """
    if method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {method!r}.{did_you_mean(method, METHODS)}")
    if image is None and method != "best-input":
        raise UsageError("name an IMAGE to explain; only --method best-input does without")
    with only_results_on_stdout():
        path = check_output_path(output, reads=[name, image], overwrite=overwrite)
        facts = explain(
            name,
            image,
            target=target,
            method=method,
            layer=layer,
            unit=unit,
            steps=steps,
            output=path,
            device=device,
            overwrite=overwrite,
        )
    if json:
        print_json(facts)
        return
    for skipped, reason in facts["skipped"].items():
        note(f"tsugiki: no {skipped}: {reason}")
    print(facts["path"])


def explain(
    name: str,
    image: str | None,
    *,
    target: str | None,
    method: str,
    layer: str | None,
    unit: str | None,
    steps: int,
    output: Path,
    device: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the picture and return what it shows: path, network, answer, target, methods and what was left out.

    Raises:
        TsugikiError: The model, the picture, a class or a layer is unknown, or the output cannot be written.
    """
    from ..pictures.png_files import write_png

    picture = None if image is None else _open(image)
    from tsugiki.devices import moved
    from tsugiki.images import Normalize
    from tsugiki.snapshots.snapshot import Snapshot

    from .picture import draw_panels
    from .saliency_maps import Unit

    snapshot = Snapshot.open(name)
    model, processor = moved(snapshot.model(), device), snapshot.processor()
    explained = _Explained(model, Normalize.from_processor(processor), Path(name).name)
    pixel_values = None if picture is None else processor(images=[picture], return_tensors="pt")["pixel_values"]
    answer = None if pixel_values is None else explained.answer(pixel_values)
    wanted = None if target is None else class_number(model, target)
    exciting = None if unit is None else read_unit(model, unit)
    if wanted is None and answer is not None:
        wanted = answer["number"]
    if exciting is None:
        if wanted is None:
            raise UsageError("--method best-input needs --target or --unit where there is no IMAGE to classify")
        exciting = Unit(wanted)
    panels: list[Panel] = []
    if pixel_values is not None and wanted is not None:
        panels += explained.maps(pixel_values, wanted, method, layer)
    if method in ("all", "best-input"):
        panels.append(explained.best(exciting, steps))
    caption = f"{explained.name} ({type(model).__name__})"
    about = {"Title": "tsugiki explain", "Description": caption}
    write_png(output, draw_panels(panels, caption), about, overwrite=overwrite)
    return {
        "path": str(output),
        "name": explained.name,
        "input": image,
        "answer": answer,
        "target": None if wanted is None else {"label": explained.label(wanted), "number": wanted},
        "panels": [panel.title for panel in panels],
        "skipped": explained.skipped,
    }


def class_number(model: PreTrainedModel, text: str) -> int:
    """The number of a class that is given by its name or number.

    Raises:
        OptionError: The model has no such class; says which are near.
    """
    names: dict[int, str] = {int(number): str(label) for number, label in (model.config.id2label or {}).items()}
    for number, label in names.items():
        if label == text:
            return number
    if text.isdigit() and int(text) in names:
        return int(text)
    listed = ", ".join(list(names.values())[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    raise OptionError(f"the model has no class {text!r}.{did_you_mean(text, names.values())} It has {listed}.")


def read_unit(model: PreTrainedModel, text: str) -> Unit:
    """Read `STAGE:CHANNEL`, or a class by name or number.

    Raises:
        OptionError: There is no such stage or class, or the channel is no number.
    """
    from .saliency_maps import Unit, stage_modules

    stage, colon, channel = text.rpartition(":")
    if not colon or text in (model.config.label2id or {}):
        return Unit(class_number(model, text))
    stages = stage_modules(model)
    if stage not in stages:
        raise OptionError(
            f"--unit {text}: there is no stage {stage!r}, only {', '.join(stages)}.{did_you_mean(stage, stages)}"
        )
    if not channel.isdigit():
        raise OptionError(f"--unit {text}: write STAGE:CHANNEL with the channel's number, such as {stage}:0")
    return Unit(int(channel), stage)


class _Explained:
    """A model with what is needed to draw its maps."""

    def __init__(self, model: PreTrainedModel, normalize: Any, name: str) -> None:
        self.model = model
        self.normalize = normalize
        self.name = name
        self.skipped: dict[str, str] = {}

    def label(self, number: int) -> str:
        """The name of a class."""
        names: dict[Any, str] = self.model.config.id2label or {}
        return str(names.get(number, number))

    def answer(self, pixel_values: Tensor) -> dict[str, Any]:
        """The likeliest class of a picture `(1, C, H, W)`: its name, number and probability."""
        probabilities = self._probabilities(pixel_values)
        number = int(probabilities.argmax())
        return {"label": self.label(number), "number": number, "score": float(probabilities[number])}

    def _probabilities(self, pixel_values: Tensor) -> Tensor:
        import torch
        from tsugiki.errors import TsugikiError

        if self.model.main_input_name != "pixel_values" or pixel_values.ndim != 4:
            raise TsugikiError(f"{self.name} is no classifier of pictures: it takes {self.model.main_input_name}")
        with torch.inference_mode():
            logits = getattr(
                self.model(pixel_values=pixel_values.to(self.model.device, self.model.dtype)), "logits", None
            )
        if logits is None or logits.ndim != 2:
            raise TsugikiError(f"{self.name} is no classifier of pictures: it gives no logits (N, classes)")
        return logits[0].float().softmax(dim=0)

    def maps(self, pixel_values: Tensor, target: int, method: str, layer: str | None) -> list[Panel]:
        """The input and the maps that were asked for. A map that the network cannot have is left out of `all`."""
        from .picture import HEAT, Panel, shown_map, shown_picture, shown_signed
        from .saliency_maps import grad_cam, gradient_map, guided_backprop

        picture = shown_picture(pixel_values[0], self.normalize)
        probability = float(self._probabilities(pixel_values)[target])
        panels = [Panel(f"input: {self.label(target)} {probability:.1%}".replace("%", " %"), picture)]
        if method in ("all", "gradient"):
            panels.append(Panel("gradient", shown_map(gradient_map(self.model, pixel_values, target)[0])))
        if method in ("all", "guided"):
            panels.append(Panel("guided backprop", shown_signed(guided_backprop(self.model, pixel_values, target)[0])))
        if method in ("all", "grad-cam"):
            try:
                heat = grad_cam(self.model, pixel_values, target, layer)[0]
            except OptionError as error:
                if method == "grad-cam" or layer is not None:
                    raise
                self.skipped["grad-cam"] = str(error)
            else:
                heat = heat / heat.max().clamp(min=1e-12)
                panels.append(Panel("Grad-CAM", heat.cpu().numpy(), HEAT))
                panels.append(Panel("Grad-CAM over the input", heat.cpu().numpy(), HEAT, overlay=picture))
        return panels

    def best(self, unit: Unit, steps: int) -> Panel:
        """The input that excites a unit most."""
        from .picture import Panel, shown_picture, value_range, with_full_contrast
        from .saliency_maps import best_input

        channels = getattr(self.model.config, "num_channels", 3)
        limits = value_range(self.normalize, channels)
        best = best_input(self.model, unit, steps, value_range=limits)[0]
        what = self.label(unit.channel) if unit.stage is None else f"{unit.stage}:{unit.channel}"
        return Panel(f"best input for {what}", with_full_contrast(shown_picture(best, self.normalize)))


def _open(image: str) -> Image:
    """Decode the picture, before anything heavy is loaded."""
    if is_address(image):
        from tsugiki.images import fetch_image

        return fetch_image(image, timeout=TIMEOUT)
    if not Path(image).is_file():
        raise DataError(f"no such file: {image}")
    from tsugiki.images import open_image

    return open_image(Path(image), name=image)
