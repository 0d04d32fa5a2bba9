"""`tsugiki check-plugin`: runs the conformance checks on an installed plugin."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..progress import track
from .options import Json
from .output import note, only_results_on_stdout, print_json, print_table


def command(
    plugin: Annotated[str, typer.Argument(metavar="PLUGIN", help="An installed plugin's name.", show_default=False)],
    json: Json = False,
) -> int:
    """Run the conformance checks on an installed plugin.

    Exit code 1 if a check fails; its message says what to do. A check that has nothing to look at is skipped and says
    why.

    Example:
        tsugiki check-plugin vision
    """
    with only_results_on_stdout():
        from ..testing import run_plugin_checks

        results = []
        for result in track(run_plugin_checks(plugin), "check", unit="check"):
            results.append(result)
            if result.status == "failed":
                note(f"tsugiki: {result.subject}: {result.check}: {' '.join(result.message.split())}")
    failed = sum(result.status == "failed" for result in results)
    if json:
        print_json({"plugin": plugin, "ok": not failed, "checks": [asdict(result) for result in results]})
    else:
        rows = [
            (result.subject, result.check.replace("_", " "), result.status, f"{result.seconds:.1f}")
            for result in results
        ]
        print_table(("subject", "check", "result", "seconds"), rows, right=("seconds",))
        skipped = {result.message: None for result in results if result.status == "skipped"}
        for reason in skipped:
            print(f"skipped: {reason}")
        print(f"{len(results)} checks, {failed} failed")
    return 1 if failed else 0
