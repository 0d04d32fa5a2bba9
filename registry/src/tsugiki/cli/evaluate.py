"""`tsugiki evaluate`: measures a model on data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from .options import Data, Json, ModelName
from .output import format_metric, only_results_on_stdout, print_json


def command(
    name: ModelName,
    data: Data,
    split: Annotated[
        str | None, typer.Option("--split", help="Which part of the data; by default test, then validation.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="By default the one the model was made for.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows a forward pass.")] = 256,
    device: Annotated[str | None, typer.Option("--device", help="Such as cpu or cuda:0.")] = None,
    json: Json = False,
) -> None:
    """Measure a model on data.

    Every figure comes with a bootstrap 95 % interval.

    Example:
        tsugiki evaluate lenet5-mnist ylecun/mnist --split test
    """
    with only_results_on_stdout():
        from ..evaluation import evaluate

        metrics = evaluate(name, data, task=task, split=split, batch_size=batch_size, device=device)
    figures = {key: asdict(metric) for key, metric in metrics.items()}
    if json:
        print_json({"name": name, "data": data, "split": split, "metrics": figures})
        return
    for key, figure in figures.items():
        print(f"{format_metric(key, figure)}  ({figure['n']:,} rows)")
