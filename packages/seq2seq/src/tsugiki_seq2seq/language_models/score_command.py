"""`tsugiki score`: what a language model thinks of whole texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.cli.options import Columns, Device, Json, ModelName, parse_columns
from tsugiki.cli.output import format_number, note, only_results_on_stdout, print_json, print_table
from tsugiki.cli.sources import Inputs, find_inputs, inputs_of_kind, rows_of
from tsugiki.errors import DataError, OptionError

if TYPE_CHECKING:
    from .rescoring import TextScore

TASK = "text-generation"
SHOWN = 200  # characters of a text in the table


def command(
    name: ModelName,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Texts, files with one a line, tables (.csv, .jsonl, …), or - for standard input.",
            show_default=False,
        ),
    ],
    columns: Columns = None,
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
        tsugiki score lm-word-novels readings.txt
        tsugiki score lm-word-novels readings.csv --columns text=reading --json
    """
    with only_results_on_stdout():
        scores, places = score(name, find_inputs(texts), columns=parse_columns(columns), device=device)
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
    for place, one in zip(places, scores, strict=True):
        if "error" in one:
            note(f"tsugiki: {place}{one['error']}")
    return 0 if len(good) == len(scores) else 1


def score(
    name: str, inputs: Sequence[Inputs], *, columns: Mapping[str, str] | None = None, device: str | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of texts, and what a message begins with that is about one: its place.

    Args:
        name: The model.
        inputs: What `tsugiki.cli.sources.find_inputs` found.
        columns: Columns of a table by role, such as ``{"text": "reading"}``.
        device: Where to compute.

    Returns:
        For each text, in the order given, ``{"text", "log_probability", "perplexity", "tokens", "unknown", "rank"}``,
        or ``{"text", "error"}`` where it has no score.

    Raises:
        OptionError: The model is no language model.
        TsugikiError: There is no such model, or nothing to score.
    """
    from tsugiki.devices import moved
    from tsugiki.snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    if snapshot.task != TASK:
        raise OptionError(
            f"{name} is no language model: its task is {snapshot.task or 'none'}, not {TASK}; "
            f"`tsugiki list --task {TASK}` shows those that are"
        )
    from .language_modelling import TextGeneration
    from .rescoring import TextScore, score_texts

    task = TextGeneration()
    found = inputs_of_kind(inputs, task.inputs, rows_of(task, columns))
    texts = [text for _, text in found if not isinstance(text, DataError)]
    scored = iter(score_texts(moved(snapshot.model(TASK), device), snapshot.processor(), texts) if texts else ())
    scores = [
        TextScore(place, error=str(text)) if isinstance(text, DataError) else next(scored) for place, text in found
    ]
    places = [
        "" if isinstance(text, DataError) else f"text {number}: " if place == text else f"{place}: "
        for number, (place, text) in enumerate(found, start=1)
    ]
    return [_facts(one) for one in scores], places


def _facts(one: TextScore) -> dict[str, Any]:
    if one.error is not None:
        return {"text": one.text, "error": one.error}
    return {
        "text": one.text,
        "log_probability": one.log_probability,
        "perplexity": one.perplexity,
        "tokens": one.tokens,
        "unknown": one.unknown,
        "rank": one.rank,
    }
