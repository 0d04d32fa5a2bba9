"""`tsugiki explain`: pictures of what a classifier looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout
from tsugiki.cli.output_files import OutputFiles, OutputFolder, read_by
from tsugiki.cli.sources import find_inputs, inputs_of_kind
from tsugiki.errors import did_you_mean
from tsugiki.inputs import PICTURES, Source

from . import METHODS

USUAL = "explanation.png"


def command(
    name: ModelName,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Pictures, folders, patterns such as 'scans/*.png', or addresses; none for --method best-input.",
            show_default=False,
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
        str | None, typer.Option("--output", metavar="FILE.png", help=f"The picture to write; by default {USUAL}.")
    ] = None,
    output_dir: OutputFolder = None,
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Draw what a classifier looked at.

    One picture holds the input as the network sees it, the gradient of the class, guided backpropagation, Grad-CAM
    alone and over the input, and the input that excites the class most. Several images give a picture each, in a folder
    that --output-dir names; one that cannot be read is named, the others are drawn, and the exit code is 1.

    Example:
        tsugiki explain resnet20-cifar10 cat.png
        tsugiki explain resnet20-cifar10 cat.png --target dog --method grad-cam --layer stage2
        tsugiki explain resnet20-cifar10 photos/ --output-dir explained
        tsugiki explain resnet20-cifar10 --method best-input --unit stage3:12
    """
    if method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {method!r}.{did_you_mean(method, METHODS)}")
    if not images and method != "best-input":
        raise UsageError("name an IMAGE to explain; only --method best-input does without")
    if not images and target is None and unit is None:
        raise UsageError("--method best-input needs --target or --unit where there is no IMAGE to classify")
    with only_results_on_stdout() as stdout:
        given = find_inputs(images or [])
        found: list[Source] = inputs_of_kind(given, PICTURES) if given else [("", None)]
        reads = [name, *read_by(given)]
        files = OutputFiles.of_options(
            found, output, output_dir, kind=PICTURES, usual=USUAL, reads=reads, overwrite=overwrite
        )
        from .explanation import Explainer

        explainer = Explainer.open(name, device)

        def draw(label: str, picture: Any, path: Path) -> dict[str, Any]:
            drawn = explainer.explain(picture, target=target, method=method, layer=layer, unit=unit, steps=steps)
            drawn.save(path, overwrite=overwrite)
            return {
                "path": str(path),
                "name": explainer.name,
                "input": label or None,
                "answer": drawn.answer,
                "target": drawn.target,
                "panels": drawn.panels,
                "skipped": drawn.skipped,
            }

        def show(facts: dict[str, Any]) -> None:
            for skipped, reason in facts["skipped"].items():
                note(f"tsugiki: no {skipped}: {reason}")
            print(facts["path"], file=stdout)

        return files.write_each(found, draw, show, json=json, file=stdout, title="explain")
