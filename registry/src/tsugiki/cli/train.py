"""`tsugiki train`: makes the checkpoint that a recipe describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..durations import Stopwatch, duration
from .errors import UsageError
from .options import Json, parse_fields, refuse_options
from .output import format_metric, note, only_results_on_stdout, print_json


def command(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A folder with recipe.yaml and card.md.", show_default=False)
    ],
    output_dir: Annotated[
        str | None,
        typer.Option("--output-dir", metavar="DIR", help="Where to write; by default into the recipe's plugin."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="0,1,2", help="Seeds instead of the recipe's; the first is kept.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a snapshot that exists.")] = False,
    json: Json = False,
) -> None:
    """Train the checkpoint that a recipe describes.

    Every field of transformers' TrainingArguments is an option over the recipe's own, by its own name. A run that was
    interrupted is continued by the same command. Under `accelerate launch` it runs on several processes, without a GPU
    by the last line below; --per-device-train-batch-size is that of all of them together.

    Example:
        tsugiki train hub_cards/lenet5-mnist
        tsugiki train hub_cards/lenet5-mnist --output-dir runs/short --seeds 0 --num-train-epochs 1
        ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu --num_processes 2 -m tsugiki train hub_cards/lenet5-mnist
    """
    refuse_options(recipe=recipe)
    training = parse_fields(context.args)
    chosen = _seeds(seeds)
    stopwatch = Stopwatch()
    with only_results_on_stdout():
        from ..recipes.train_recipe import train
        from ..training.processes import is_main_process

        path = train(recipe, output_dir=output_dir, seeds=chosen, training=training, overwrite=overwrite)
        main_process = is_main_process()
    if main_process:
        _report(path, stopwatch.seconds, json)


def _seeds(text: str | None) -> list[int] | None:
    """Read ``0,1,2``.

    Raises:
        UsageError: It is something else.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--seeds takes whole numbers with commas between them, such as 0,1,2, not {text!r}"
        ) from error


def _report(path: Path, seconds: float, json: bool) -> None:
    from ..records import plain
    from ..snapshots.provenance import Provenance

    provenance = Provenance.read(path)
    metrics = provenance.evaluations[0].metrics
    if json:
        facts = {"path": str(path), "metrics": metrics, "seeds": provenance.seeds, "seconds": seconds}
        print_json(plain(facts))
        return
    print(path)
    for name, metric in metrics.items():
        spread = (provenance.seeds or {}).get(name)
        over = f"; mean of {len(spread.values)} seeds {spread.mean:.4f} ± {spread.sd:.4f}" if spread else ""
        print(f"{format_metric(name, metric)}{over}")
    note(f"took {duration(seconds)}")
