"""`tsugiki similar`: the nearest words of each word."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TextIO

import typer
from tsugiki.answers import ERROR, Answers, answered, error_of
from tsugiki.cli.options import Columns, Json, ModelName, parse_columns
from tsugiki.cli.output import json_list, note, only_results_on_stdout, print_table
from tsugiki.cli.sources import column_of, find_inputs, inputs_of_kind
from tsugiki.columns import TEXT_COLUMN, TEXT_COLUMNS, Role
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS, Source
from tsugiki.progress import above_bars, progress_bar

BATCH_SIZE = 256  # words asked at once
WORD = "word"


def command(
    name: ModelName,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD",
            help="Words, files with one a line, tables (.csv, .jsonl, …), or - for standard input.",
            show_default=False,
        ),
    ],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many neighbours a word.")] = 10,
    columns: Columns = None,
    json: Json = False,
) -> int:
    """Find the words nearest to a word.

    Nearness is the cosine of the words' vectors. Several words are asked one by one and answered as they come; an
    unknown one is named on standard error, the others are answered, and the exit code is 1. NAME may also be a file of
    word vectors of another program (word2vec, GloVe, fastText).

    Example:
        tsugiki similar word2vec-novels king
        tsugiki similar word2vec-novels monday london --top-k 5 --json
        tsugiki similar word2vec-novels terms.csv --columns word=term
    """
    failed = False
    with only_results_on_stdout() as stdout:
        words_of = column_of(Role(TEXT_COLUMN, (WORD, *TEXT_COLUMNS)), WORD, parse_columns(columns), command="similar")
        asked = inputs_of_kind(find_inputs(words), TEXTS, words_of)
        with json_list(stdout) if json else _tables(stdout, several=len(asked) > 1) as show:
            for answer in similar(name, asked, top_k=top_k):
                if "error" in answer:
                    failed = True
                    note(f"tsugiki: {answer['error']}")
                if json or "error" not in answer:
                    show(answer)
    return 1 if failed else 0


def similar(name: str, words: Sequence[Source], *, top_k: int) -> Iterator[dict[str, Any]]:
    """For each word ``{"word", "neighbors": [{"label", "score"}]}``, for an unknown one ``{"word", "error"}``.

    Args:
        name: The vectors.
        words: Words, or a DataError that says why one cannot be read, each with its place.
        top_k: Neighbours of each, at most.

    Raises:
        TsugikiError: The vectors are unknown.
    """
    from .named_vectors import open_vectors

    vectors = open_vectors(name)

    def answer(some: Sequence[str]) -> list[Answers]:
        found = vectors.neighbors(some, top_k=top_k)
        return [[{"label": label, "score": score} for label, score in near] for near in found]

    with progress_bar("similar", len(words), unit="word") as bar:
        for start in range(0, len(words), BATCH_SIZE):
            batch = words[start : start + BATCH_SIZE]
            asked = [vectors.spelling(word.strip()) for _, word in batch if isinstance(word, str)]
            found = iter(zip(asked, answered(asked, answer), strict=True))
            for place, content in batch:
                word, near = (place, [{ERROR: str(content)}]) if isinstance(content, DataError) else next(found)
                why = error_of(near)
                yield {"word": word, "neighbors": near} if why is None else {"word": word, "error": why}
            bar.update(len(batch))


@contextlib.contextmanager
def _tables(file: TextIO, *, several: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What prints the table of an answer, below its word where there are several."""
    printed = 0

    def show(answer: dict[str, Any]) -> None:
        nonlocal printed
        with above_bars():
            if several:
                print("\n" * bool(printed) + answer["word"], file=file)
            rows = [(found["label"], f"{found['score']:.4f}") for found in answer["neighbors"]]
            print_table(("word", "cosine"), rows, right=("cosine",), file=file)
        printed += 1

    yield show
