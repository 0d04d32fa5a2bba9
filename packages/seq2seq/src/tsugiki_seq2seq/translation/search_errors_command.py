"""`tsugiki search-errors`: is the search or the model at fault where a translation is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tsugiki.cli.options import Columns, Device, Json, ModelName, parse_columns
from tsugiki.cli.output import note, only_results_on_stdout, print_json, print_table
from tsugiki.errors import DataError

if TYPE_CHECKING:
    from tsugiki.metrics import Metric
    from tsugiki.snapshots.snapshot import Snapshot

    from .search_errors import JudgedRow, SearchErrors

KINDS = (("search", "search error"), ("model", "model error"))


def command(
    name: ModelName,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A data set of sentence pairs: an id or a folder; by default the one that the card was measured on.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="By default test, then validation.")] = None,
    columns: Columns = None,
    beam: Annotated[
        int | None, typer.Option("--beam", min=1, help="Beams of the search to judge; by default the model's own.")
    ] = None,
    wider: Annotated[int, typer.Option("--wider", min=0, help="Beams of a second search; 0 to go without.")] = 20,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many rows at most, drawn with seed 0.")] = None,
    examples: Annotated[int, typer.Option("--examples", min=0, help="How many of each kind to print.")] = 3,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Sources searched at once.")] = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Tell the errors of the search from those of the model.

    Of each wrong translation the log-probability is compared with that of the reference. Where the reference is more
    probable, the search has missed it; else the model prefers the wrong text. The same is said by the score that a beam
    search ranks by, log P / length^alpha. A wider beam shows what a larger search would mend. NAME may be any
    encoder-decoder that transformers' AutoModelForSeq2SeqLM loads.

    Example:
        tsugiki search-errors translate-ja-en-gru-attention
        tsugiki search-errors translate-ja-en-transformer --beam 1 --wider 10 --rows 100
        tsugiki search-errors ./my-model tsugiki/small_parallel_enja --columns source=ja,target=en --json
    """
    with only_results_on_stdout():
        roles = parse_columns(columns)
        found, where = search_errors(
            name,
            data,
            split=split,
            columns=roles,
            beam=beam,
            wider=wider,
            rows=rows,
            batch_size=batch_size,
            device=device,
        )
    if json:
        print_json({"name": name, **where, **found.to_dict(examples=examples)})
        return
    place = where["data"] + (f" [{where['split']}]" if where["split"] else "")
    print(f"{name} on {len(found.rows):,} rows of {place}, {describe_search(found)}\n")
    print_shares(found)
    print_wider(found)
    for verdict, called in KINDS:
        shown = found.examples(verdict, examples)  # type: ignore[arg-type]
        if shown:
            print(f"\n{called.capitalize()}s, log P (tokens):")
        for row in shown:
            print_example(row)
    if cut := int(found.figures()["cut_off"]):
        note(f"tsugiki: {cut} outputs reached the greatest length without an end; log P is that of what there is")


def search_errors(
    name: str,
    data: str | None = None,
    *,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
    beam: int | None = None,
    wider: int = 20,
    rows: int | None = None,
    batch_size: int = 32,
    device: str | None = None,
) -> tuple[SearchErrors, dict[str, Any]]:
    """The analysis, and `{"data", "split"}` that it was made on.

    Raises:
        TsugikiError: The model, the data or a column is unknown.
    """
    import numpy as np
    from tsugiki.columns import read_texts
    from tsugiki.data.load_data import load_split
    from tsugiki.devices import moved
    from tsugiki.evaluation.evaluate import pick_split
    from tsugiki.snapshots.snapshot import Snapshot

    from .open_translators import load_translator
    from .search_errors import analyse_search
    from .translation import ROLES, TextTranslation

    snapshot = Snapshot.open(name)
    model, tokenizer = load_translator(snapshot)
    moved(model, device)
    if data is None:
        data, measured_split, measured_columns = measured_on(snapshot)
        split, columns = split or measured_split, columns or measured_columns
    chosen = pick_split(data, split)
    dataset = load_split(data, chosen)
    if rows is not None and rows < len(dataset):
        dataset = dataset.select(np.sort(np.random.default_rng(0).choice(len(dataset), rows, replace=False)))
    found = TextTranslation().columns(dataset, columns)
    sources, references = (read_texts(dataset, found[role]) for role in ROLES)
    analysis = analyse_search(model, tokenizer, sources, references, num_beams=beam, wider=wider, batch_size=batch_size)
    return analysis, {"data": data, "split": chosen}


def measured_on(snapshot: Snapshot) -> tuple[str, str | None, dict[str, str] | None]:
    """Data set, split and columns of the first figures of a card.

    Raises:
        DataError: The model has no such card.
    """
    evaluations = () if snapshot.provenance is None else snapshot.provenance.evaluations
    if not evaluations:
        raise DataError(f"{snapshot.name} has no card that names the data it was measured on; name DATA")
    first = evaluations[0]
    return first.dataset, first.split, first.columns or None


def describe_search(found: SearchErrors) -> str:
    """``beam 5 with length penalty 1.0``, or ``greedy search``."""
    if found.num_beams == 1:
        return "greedy search"
    return f"beam {found.num_beams} with length penalty {found.length_penalty:g}"


def print_shares(found: SearchErrors) -> None:
    """The table of verdicts."""
    right = len(found.of_kind("right"))
    lines: list[tuple[str, ...]] = [("right", f"{right:,}", "", "")]
    for verdict, called in KINDS:
        count = len(found.of_kind(verdict))  # type: ignore[arg-type]
        shares = (found.share(verdict, by_score=by_score) for by_score in (False, True))  # type: ignore[arg-type]
        lines.append((called, f"{count:,}", *(percent(share) for share in shares)))
    heads = ("output", "rows", "share of the wrong, by log P", "by the search's score")
    print_table(heads, lines, right=heads[1:])


def print_wider(found: SearchErrors) -> None:
    """What a larger beam would mend."""
    print(f"\nBLEU {interval(found.bleu)}", end="")
    if found.wider_bleu is None:
        print()
        return
    errors = found.of_kind("search")
    print(f"; with beam {found.wider} {interval(found.wider_bleu)}")
    if errors:
        called = "search error" if len(errors) == 1 else "search errors"
        print(
            f"Of the {len(errors):,} {called} beam {found.wider} finds something at least as probable as the reference "
            f"for {percent(found.mended())}, and the reference itself for "
            f"{sum(row.mended_exactly for row in errors):,}."
        )
    print(f"Of all outputs it finds a more probable text for {percent(found.overlooked())}.")


def print_example(row: JudgedRow) -> None:
    """Source, reference, output and what the wider search wrote."""
    print(f"  source     {row.source}")
    lines = [("reference", row.reference), ("output", row.written)]
    if row.wider is not None:
        lines.append(("wider", row.wider))
    for called, written in lines:
        print(f"  {called:10} {written.text}  {written.log_probability:.2f} ({written.length})")
    print()


def percent(metric: Metric) -> str:
    """``12.3 % [10.1, 14.8]``, a dash for a share of nothing."""
    if metric.n == 0:
        return "-"
    return f"{100 * metric.value:.1f} % [{100 * metric.low:.1f}, {100 * metric.high:.1f}]"


def interval(metric: Metric) -> str:
    """``37.1 [35.0, 39.2]``."""
    return f"{metric.value:.1f} [{metric.low:.1f}, {metric.high:.1f}]"
