"""`tsugiki evaluate`: measures a model on data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ..errors import OptionError
from ..metrics import Metric
from ..records import plain
from .options import Columns, Data, Device, Format, Json, ModelName, parse_columns
from .output import format_metric, only_results_on_stdout, print_json


def command(
    name: ModelName,
    data: Data,
    split: Annotated[
        str | None, typer.Option("--split", help="Which part of the data; by default test, then validation.")
    ] = None,
    columns: Columns = None,
    format_name: Format = None,
    task: Annotated[str | None, typer.Option("--task", help="By default the one the model was made for.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows a forward pass.")] = 256,
    device: Device = None,
    also: Annotated[
        list[str] | None, typer.Option("--with", help="Another model; all answer together. May be given again.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average over each picture and its mirror image.")] = False,
    crop: Annotated[
        int, typer.Option("--crop", min=0, help="Average over the corners too, after padding by so many pixels.")
    ] = 0,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="DATA=MODEL,…",
            help="The model's class for each of the data's, such as ants=ant,bees=bee; only those are told apart.",
        ),
    ] = None,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Average over pictures resized to these sides, such as 28,32,36.")
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Measure on this group alone. May be given again.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure a model on data.

    Every figure comes with a 95 % interval, Wilson's of a share of rows, else from a bootstrap. With --flip, --crop and
    --sizes the model answers to several views of each picture, and the mean of its probabilities counts; with --with
    several models answer together. With --columns group=speaker each speaker has figures of their own too, and the mean
    over speakers an interval that holds for new ones; --only NAME measures on the rows of that speaker.

    Example:
        tsugiki evaluate lenet5-mnist ylecun/mnist --split test
        tsugiki evaluate translate-ja-en-transformer pairs.csv --columns source=ja,target=en
    """
    with only_results_on_stdout():
        from ..columns import GROUP
        from ..data.formats import reading_as
        from ..evaluation.by_group import GroupedMetrics
        from ..evaluation.caveats import too_few_rows
        from ..evaluation.ensemble import evaluate_ensemble
        from ..evaluation.evaluate import evaluate
        from ..evaluation.views import Views

        views = Views(flip=flip, crop=crop, sizes=_numbers(sizes))
        options: dict[str, Any] = {"columns": parse_columns(columns), "split": split, "batch_size": batch_size}
        members: dict[str, Mapping[str, Metric]] = {}
        if also and classes:
            raise OptionError("--classes is for one model; leave out --with")
        if also and (only or GROUP in (options["columns"] or {})):
            raise OptionError("groups are measured of one model; leave out --with")
        if also:
            with reading_as(format_name):
                result = evaluate_ensemble([name, *also], data, device=device, views=views, **options)
            metrics = dict(result.metrics)
            members = dict(result.members)
        else:
            chosen = parse_columns(classes, option="--classes")
            options |= {"only": only} if only else {}
            options |= {"format": format_name} if format_name else {}
            metrics = evaluate(name, data, task=task, device=device, views=views, classes=chosen, **options)
        grouped = metrics if isinstance(metrics, GroupedMetrics) else None
        caveats = [*too_few_rows(metrics), *getattr(metrics, "caveats", ())]
    if json:
        answer: dict[str, Any] = {"name": name, "data": data, "split": split, "views": len(views)}
        answer |= {"metrics": dict(metrics), "caveats": caveats}
        if grouped is not None:
            answer |= {"group": grouped.column, "mean_over_groups": dict(grouped.mean), "groups": grouped.groups}
        print_json(plain({**answer, "members": members} if members else answer))
        return
    for caveat in caveats:
        print(caveat)
    for member, found in members.items():
        for key, figure in found.items():
            print(f"{member}: {format_metric(key, figure)}")
    if members:
        print("together: ", end="")
    for key, figure in metrics.items():
        print(f"{format_metric(key, figure)}  (n = {figure.n:,})")
    if grouped is not None:
        for key, figure in grouped.mean.items():
            print(f"mean over {figure.n:,} {grouped.column}: {format_metric(key, figure)}")
        for group, of in grouped.groups.items():
            for key, figure in of.items():
                print(f"{grouped.column} {group}: {format_metric(key, figure)}  (n = {figure.n:,})")


def _numbers(text: str) -> tuple[int, ...]:
    """``28,32,36`` as numbers."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise OptionError(
            f"--sizes must be whole numbers with commas between them, such as 28,32,36, not {text!r}"
        ) from error
