"""`tsugiki compare-corpora`: the nearest neighbours of a word in several corpora, side by side."""

from __future__ import annotations

from itertools import zip_longest
from typing import Annotated

import typer
from tsugiki.cli.options import Json
from tsugiki.cli.output import note, only_results_on_stdout, print_json, print_table
from tsugiki.progress import track

from .corpus_comparison import CORPORA, Neighbors, TrainingSettings, compare, corpus_vectors, trained_vectors


def command(
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="The words to look up.", show_default=False)],
    corpora: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus",
            metavar="NAME",
            help=f"A corpus: {', '.join(CORPORA)}, a data set of texts, or a checkpoint of word vectors; repeat it for "
            "several. By default the three named ones.",
            show_default=False,
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Neighbours in each corpus.")] = 10,
    cache: Annotated[
        str | None, typer.Option("--cache", metavar="DIR", help="A folder that keeps the trained vectors.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Only so many texts of each data set.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Passes over each data set.  [default: 5]")
    ] = None,
    dimension: Annotated[int | None, typer.Option("--dimension", min=1, help="Numbers a word.  [default: 100]")] = None,
    min_count: Annotated[
        int | None, typer.Option("--min-count", min=1, help="Rarer words are left out.  [default: 5]")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the training.  [default: 0]")] = None,
    json: Json = False,
) -> None:
    """Show what a word is near to in several corpora.

    Vectors are trained on each data set, which takes seconds to minutes; with --cache only once. Those of the novels
    come with an installed checkpoint, unless an option of the training is given.

    Example:
        tsugiki compare-corpora driver gay --cache vectors
        tsugiki compare-corpora star --corpus word2vec-novels --corpus reviews --top-k 5
    """
    options = {"dimension": dimension, "epochs": epochs, "min_count": min_count, "seed": seed}
    given = {option: value for option, value in options.items() if value is not None}
    settings = TrainingSettings(**given) if given else None
    names = list(dict.fromkeys(corpora or CORPORA))
    with only_results_on_stdout():
        for name in names:
            if not given and rows is None and (installed := trained_vectors(name)) is not None:
                note(f"{name}: the vectors of {installed}")
        vectors = {
            name: corpus_vectors(name, rows=rows, settings=settings, cache=cache)
            for name in track(names, "corpora", unit="corpus")
        }
        table = compare(words, vectors, top_k=top_k)
    if json:
        print_json({word: [vars(entry) for entry in entries] for word, entries in table.items()})
        return
    for number, (word, entries) in enumerate(table.items()):
        if number:
            print()
        print_neighbors(word, entries)


def print_neighbors(word: str, entries: list[Neighbors]) -> None:
    """Print one word's table: a column a corpus, the nearest neighbour on top."""
    heads = [entry.corpus + ("" if not entry.count else f" ({entry.count:,})") for entry in entries]
    columns = [
        ["not in this corpus"] if entry.words is None else [f"{near} {cosine:.2f}" for near, cosine in entry.words]
        for entry in entries
    ]
    print(f"{word}: nearest words with their cosines, in each corpus (times it occurs)")
    print_table(heads, [list(row) for row in zip_longest(*columns, fillvalue="")])
