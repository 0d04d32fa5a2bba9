"""The table of the core's commands: what `tsugiki --help` prints and where each command lives.

A test holds the summaries against the first lines of the commands' own docstrings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Attributes:
        summary: One line for `tsugiki --help`.
        reference: The function that runs it, ``"package.module:name"``.
        takes_fields: Whether options that it does not declare reach it as ``--field value`` pairs in ``context.args``.
        plugin: The plugin that brings it; empty for the core's own.
    """

    summary: str
    reference: str
    takes_fields: bool = False
    plugin: str = ""


COMMANDS: dict[str, Command] = {
    "list": Command("List the installed models.", "tsugiki.cli.list:command"),
    "info": Command("Show what is known of one model or family.", "tsugiki.cli.info:command"),
    "predict": Command(
        "Predict with a model on files, folders, standard input, or texts.", "tsugiki.cli.predict:command"
    ),
    "finetune": Command("Train a model on your data.", "tsugiki.cli.finetune:command", True),
    "train": Command("Train the checkpoint that a recipe describes.", "tsugiki.cli.train:command", True),
    "evaluate": Command("Measure a model on data.", "tsugiki.cli.evaluate:command"),
    "verify": Command("Measure again what a model's card says.", "tsugiki.cli.verify:command"),
    "publish": Command("Publish a model with a complete card.", "tsugiki.cli.publish:command"),
    "card": Command("Print, render or check model cards.", "tsugiki.cli.card:command"),
    "export": Command("Export a model to ONNX.", "tsugiki.cli.export:command"),
    "onnx-table": Command("Measure what of the installed models exports to ONNX.", "tsugiki.cli.onnx_table:command"),
    "cache": Command("Show or clear the cache of features.", "tsugiki.cli.cache:command"),
    "new-plugin": Command("Write a new plugin that can be installed.", "tsugiki.cli.new_plugin:command"),
    "check-plugin": Command("Run the conformance checks on an installed plugin.", "tsugiki.cli.check_plugin:command"),
}
