"""`tsugiki list`: the installed models. Imports neither torch nor transformers nor numpy."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import did_you_mean
from ..metrics import Metric
from ..registry import registry
from ..snapshots.listing import ModelInfo, list_models
from .options import Json
from .output import fits, format_bytes, format_metric, format_number, note, print_json, print_table

# What a terminal shows, from the widest to the narrowest: columns, and whether the metric has its interval.
ROOM = (
    (("name", "task", "input", "parameters", "size", "metric", "license"), True),
    (("name", "task", "input", "parameters", "size", "metric"), True),
    (("name", "task", "input", "parameters", "size", "metric"), False),
    (("name", "task", "input", "size", "metric"), False),
    (("name", "task", "input", "metric"), False),
    (("name", "task", "input", "size"), False),
    (("name", "task", "input"), False),
    (("name", "task"), False),
)


def command(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A shell pattern, such as 'lenet*'.")] = "*",
    task: Annotated[str | None, typer.Option("--task", help="Only models of this task.")] = None,
    plugin: Annotated[str | None, typer.Option("--plugin", help="Only models of this plugin.")] = None,
    family: Annotated[str | None, typer.Option("--family", help="Only models of this family.")] = None,
    json: Json = False,
) -> None:
    """List the installed models.

    The metric is the first of the model's card, with its 95 % interval. A terminal shows the columns that it has room
    for, a pipe all of them. A plugin that is broken costs one line on standard error.

    Example:
        tsugiki list 'lenet*' --task image-classification
    """
    infos = list_models(pattern, task=task, plugin=plugin, family=family)
    for broken in registry().broken:
        note(f"tsugiki: warning: {broken.describe()}")
    if json:
        print_json([info.to_dict() for info in infos])
    elif infos:
        _print(infos)
        for info in infos:
            if info.needs:
                note(f"{info.name}: its weights are not installed: {info.needs}")
    else:
        note(_nothing(pattern, task=task, plugin=plugin, family=family))


def _print(infos: list[ModelInfo]) -> None:
    """Print the table, on a terminal with as much of it as has room."""
    metrics = [next(((name, Metric(**metric)) for name, metric in info.metrics.items()), None) for info in infos]
    cells = {
        "name": [info.name if _is_unique(info, infos) else f"{info.plugin}:{info.name}" for info in infos],
        "task": [info.task or "" for info in infos],
        "input": [info.input or "" for info in infos],
        "parameters": [f"{info.parameters:,}" if info.parameters is not None else "" for info in infos],
        "size": [format_bytes(info.size_bytes) for info in infos],
        "metric": [format_metric(*metric) if metric else "" for metric in metrics],
        "license": [info.license or "" for info in infos],
    }
    short = ["" if metric is None else f"{metric[0]} {format_number(metric[1].value)}" for metric in metrics]
    for columns, whole in ROOM:
        table = {column: short if column == "metric" and not whole else cells[column] for column in columns}
        if fits(table):
            break
    print_table(columns, zip(*table.values(), strict=True), right=("parameters", "size"))
    if missing := [column for column in cells if column not in columns]:
        note(f"no room for {', '.join(missing)}: a wider window or --json shows them")


def _is_unique(info: ModelInfo, infos: list[ModelInfo]) -> bool:
    return sum(other.name == info.name for other in infos) == 1


def _nothing(pattern: str, **filters: str | None) -> str:
    installed = list_models()
    if not installed:
        return "no models are installed; `pip install` a plugin, such as tsugiki-vision"
    given = "".join(f" --{name} {value}" for name, value in filters.items() if value is not None)
    near = did_you_mean(pattern, [info.name for info in installed])
    return f"none of the {len(installed)} installed models matches {pattern!r}{given}.{near}"
