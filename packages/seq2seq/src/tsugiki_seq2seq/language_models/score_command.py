"""`tsugiki score`: what a language model thinks of whole texts."""

from __future__ import annotations

from textwrap import shorten
from typing import Annotated, Any

import typer
from tsugiki.cli.options import Device, Json, ModelName
from tsugiki.cli.output import format_number, note, only_results_on_stdout, print_json, print_table
from tsugiki.errors import OptionError

TASK = "text-generation"
SHOWN = 200  # characters of a text in the table


def command(
    name: ModelName,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT…", help="One text or several.", show_default=False)],
    device: Device = None,
    json: Json = False,
) -> int:
    """Score texts with a language model, the likeliest first.

    A score is the logarithm of the text's probability, its end included. Perplexity is per token, so it compares texts
    of different lengths; of two readings of the same words the one with the higher probability is the better. A text
    that has no score, being empty or too long, is named on standard error, the others are scored, and the exit code
    is 1.

    Example:
        tsugiki score lm-word-novels "The apple and pear salad" "The apple and pair salad"
    """
    with only_results_on_stdout():
        scores = score(name, texts, device=device)
    good = [one for one in scores if "error" not in one]
    if json:
        print_json(scores)
    elif good:
        print_table(
            ("rank", "ln P", "perplexity", "tokens", "unknown", "text"),
            [
                (
                    str(one["rank"]),
                    f"{one['log_probability']:.2f}",
                    format_number(one["perplexity"]),
                    str(one["tokens"]),
                    str(one["unknown"]),
                    shorten(one["text"], SHOWN, placeholder=" …"),
                )
                for one in sorted(good, key=lambda one: one["rank"])
            ],
            right=("rank", "ln P", "perplexity", "tokens", "unknown"),
        )
        if any(one["unknown"] for one in good):
            note("tsugiki: words the vocabulary has not count as <unk>, which makes texts with more of them likelier")
    for number, one in enumerate(scores, start=1):
        if "error" in one:
            note(f"tsugiki: text {number}: {one['error']}")
    return 0 if len(good) == len(scores) else 1


def score(name: str, texts: list[str], *, device: str | None = None) -> list[dict[str, Any]]:
    """For each text, in the order given, ``{"text", "log_probability", "perplexity", "tokens", "unknown", "rank"}``.

    A text that has no score is ``{"text", "error"}``.

    Raises:
        OptionError: The model is no language model.
        TsugikiError: There is no such model.
    """
    from tsugiki.devices import moved
    from tsugiki.snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    if snapshot.task != TASK:
        raise OptionError(
            f"{name} is no language model: its task is {snapshot.task or 'none'}, not {TASK}; "
            f"`tsugiki list --task {TASK}` shows those that are"
        )
    from .rescoring import score_texts

    return [
        {
            "text": one.text,
            "log_probability": one.log_probability,
            "perplexity": one.perplexity,
            "tokens": one.tokens,
            "unknown": one.unknown,
            "rank": one.rank,
        }
        if one.error is None
        else {"text": one.text, "error": one.error}
        for one in score_texts(moved(snapshot.model(TASK), device), snapshot.processor(), texts)
    ]
