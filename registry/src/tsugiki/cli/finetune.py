"""`tsugiki finetune`: sets a new head on a model and trains it on a person's own data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from .options import Data, Json, ModelName, OutputDir, parse_fields, refuse_options
from .output import format_metric, format_seconds, note, only_results_on_stdout, print_json


def command(
    context: typer.Context,
    name: ModelName,
    data: Data,
    output_dir: OutputDir,
    depth: Annotated[
        str, typer.Option("--depth", metavar="auto|head|all|K", help="How much to train: K counts stages from the top.")
    ] = "auto",
    head: Annotated[str, typer.Option("--head", metavar="logistic|svm|mlp", help="The new head.")] = "logistic",
    device: Annotated[str | None, typer.Option("--device", help="Such as cpu or cuda:0.")] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", help="The split to choose on; by default a part is held out.")
    ] = None,
    compare_scratch: Annotated[
        bool, typer.Option("--compare-scratch", help="Train the same network from fresh weights too, and compare.")
    ] = False,
    json: Json = False,
) -> None:
    """Set a new head on a model and train it on your data.

    With --depth auto, how deep to train is chosen by measurement. Every field of transformers' TrainingArguments is an
    option too, by its own name, after the arguments. The folder then holds a model with its card, which `tsugiki
    predict` and `tsugiki publish` take.

    Example:
        tsugiki finetune lenet5-mnist photos/ --output-dir my-model
        tsugiki finetune resnet20-cifar10 tsugiki/sign_digits --output-dir signs --depth all --num-train-epochs 20
    """
    refuse_options(name=name, data=data)
    options: dict[str, Any] = parse_fields(context.args)
    if device is not None:
        options["device"] = device
    if validation is not None:
        options["validation"] = validation
    if compare_scratch:
        options["compare_scratch"] = True
    with only_results_on_stdout():
        from ..transfer.finetune import finetune

        result = finetune(name, data, output_dir=output_dir, depth=depth, head=head, **options)
    figures = {key: asdict(metric) for key, metric in result.metrics.items()}
    if json:
        print_json({"path": str(result.path), "metrics": figures, "depth": result.depth, "seconds": result.seconds})
        return
    print(result.path)
    for key, figure in figures.items():
        print(f"{format_metric(key, figure)}  ({figure['n']:,} rows)")
    print(f"depth {result.depth}")
    note(f"took {format_seconds(result.seconds)}; the card is {result.path}/README.md")
