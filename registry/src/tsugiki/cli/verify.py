"""`tsugiki verify`: measures again what a model's card says."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import TsugikiError
from ..progress import track
from ..snapshots.listing import list_models
from .errors import UsageError
from .options import Device, Json, model_names
from .output import format_number, note, only_results_on_stdout, print_json, print_table


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Models, by name or folder.", show_default=False, autocompletion=model_names
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All installed models.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="A fixed subset of at most 1,000 rows.")] = False,
    data: Annotated[
        str | None, typer.Option("--data", help="Where the card's data set lies, if not under its own id.")
    ] = None,
    device: Device = None,
    json: Json = False,
) -> int:
    """Measure again what a model's card says.

    Metadata, text and provenance of the card must agree, and the figures must be found again: in fp32, shares within 2
    of the things they count, such as rows or words, other figures within 1e-3. Exit code 1 if not.

    Example:
        tsugiki verify lenet5-mnist
        tsugiki verify --all --fast
    """
    installed = list_models() if every else []
    wanted = [f"{info.plugin}:{info.name}" for info in installed if info.needs is None] if every else list(names or ())
    for info in installed:
        if info.needs is not None:
            note(f"{info.name} is not verified: its weights are not installed: {info.needs}")
    if bool(names) == every:
        raise UsageError("name the models to verify, or give --all")
    if not wanted:
        raise UsageError("no models are installed, so there is nothing to verify")
    if data is not None and len(wanted) > 1:
        raise UsageError("--data goes with one model")
    with only_results_on_stdout():
        reports = [_verify(name, data, fast, device) for name in track(wanted, "verify", unit="card")]
    if json:
        print_json(reports[0] if len(reports) == 1 and not every else reports)
    else:
        for report in reports:
            _print(report)
    good = sum(report["ok"] for report in reports)
    if every:
        note(f"verified {good} of {len(reports)} cards")
    return 0 if good == len(reports) else 1


def _verify(name: str, data: str | None, fast: bool, device: str | None) -> dict[str, Any]:
    """One model's verification as plain data; an error is a problem of that model and does not stop the others."""
    from ..cards.verify import verify

    try:
        verification = verify(name, data, fast=fast, device=device or "cpu")
    except TsugikiError as error:
        return {"name": name, "ok": False, "results": [], "problems": [str(error)]}
    return verification.to_dict()


def _print(report: dict[str, Any]) -> None:
    print(f"{report['name']}: {'ok' if report['ok'] else 'NOT OK'}")
    if report["results"]:
        rows = [
            (
                result["dataset"],
                result["split"],
                result["metric"],
                format_number(result["card"]),
                format_number(result["measured"]),
                f"{result['tolerance']:.1e}",
                "ok" if result["ok"] else "NOT OK",
            )
            for result in report["results"]
        ]
        columns = ("data set", "split", "metric", "card", "measured", "tolerance", "")
        print_table(columns, rows, right=("card", "measured", "tolerance"))
    for problem in report["problems"]:
        note(f"tsugiki: {report['name']}: {' '.join(problem.split())}")
