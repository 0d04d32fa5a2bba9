"""`tsugiki finetune`: trains a model on a person's own data, with a new head where its labels are others."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    Columns,
    Data,
    Device,
    Format,
    Json,
    OutputDir,
    model_names,
    parse_columns,
    parse_fields,
    parse_value,
    refuse_options,
)
from .output import only_results_on_stdout, print_json


def command(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The base: a name, plugin:name, a folder, org/name on the Hub, or auto to compare those installed.",
            show_default=False,
            autocompletion=model_names,
        ),
    ],
    data: Data,
    output_dir: OutputDir,
    depth: Annotated[
        str, typer.Option("--depth", metavar="auto|head|all|K", help="How much to train: K counts stages from the top.")
    ] = "auto",
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="logistic|svm|mlp", help="The new head of a classifier, by default logistic."),
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", help="A split, or a share of the training rows, to choose on.")
    ] = None,
    test: Annotated[
        str | None, typer.Option("--test", help="A split, or a share of the training rows, to measure on.")
    ] = None,
    columns: Columns = None,
    format_name: Format = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="What the model is to do, where that is not what the base does."),
    ] = None,
    compare_scratch: Annotated[
        bool, typer.Option("--compare-scratch", help="Train the same network from fresh weights too, and compare.")
    ] = False,
    device: Device = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    json: Json = False,
) -> None:
    """Train a model on your data.

    With auto for NAME, the installed models that read such inputs are compared by linear probes on the training rows,
    and the report says which was taken and why. A classifier gets a new head. Any other model that has a loss
    (translation, language models, tagging, captions, …) goes on where the labels are its own, and gets a new head where
    they are not. With --depth auto, how deep to train is chosen by measurement, and the report says why. Other options
    of tsugiki.finetune, such as --examples-per-class, and all fields of transformers' TrainingArguments are taken by
    their own names, after the arguments; --per-device-train-batch-size is that of all processes together. A run that
    was interrupted is continued by the same command. With --columns group=speaker rows of one speaker stay together
    wherever some are held out; --leave-out NAME measures on the rows of that speaker. The folder then holds a model
    with its card, for `tsugiki predict` and `tsugiki publish`.

    Example:
        tsugiki finetune auto photos/ --output-dir my-model
        tsugiki finetune lenet5-mnist digits/ --output-dir my-model
        tsugiki finetune resnet20-cifar10 tsugiki/sign_digits --output-dir signs --depth all --num-train-epochs 20
        tsugiki finetune translate-en-de-transformer pairs.csv --columns source=en,target=de --output-dir mine
    """
    refuse_options(name=name, data=data)
    options = parse_fields(context.args)
    given = {
        "head": head,
        "validation": None if validation is None else parse_value(validation),
        "test": None if test is None else parse_value(test),
        "columns": parse_columns(columns),
        "task": task,
        "format": format_name,
        "compare_scratch": compare_scratch or None,
        "device": device,
        "overwrite": overwrite or None,
    }
    options |= {option: value for option, value in given.items() if value is not None}
    with only_results_on_stdout():
        from ..training.processes import is_main_process
        from ..transfer.finetune import finetune

        result = finetune(name, data, output_dir=output_dir, depth=depth, **options)
        main_process = is_main_process()
    if not main_process:
        return
    if json:
        metrics = {key: metric.to_dict() for key, metric in result.metrics.items()}
        answer = {"path": str(result.path), "base": result.base, "metrics": metrics}
        print_json({**answer, "caveats": result.caveats, "depth": result.depth, "seconds": result.seconds})
        return
    print(result.path)
    print(result.report)
