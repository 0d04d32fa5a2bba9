"""`tsugiki similar`: the nearest words of each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from tsugiki.answers import Answers, answered, error_of
from tsugiki.cli.options import Json, ModelName
from tsugiki.cli.output import note, only_results_on_stdout, print_json, print_table


def command(
    name: ModelName,
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="One word or several.", show_default=False)],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many neighbours a word.")] = 10,
    json: Json = False,
) -> int:
    """Find the words nearest to a word.

    Nearness is the cosine of the words' vectors. Several words are asked one by one; an unknown one is named on
    standard error, the others are answered, and the exit code is 1. NAME may also be a file of word vectors of another
    program (word2vec, GloVe, fastText).

    Example:
        tsugiki similar word2vec-novels king
        tsugiki similar word2vec-novels monday london --top-k 5 --json
    """
    with only_results_on_stdout():
        answers = similar(name, words, top_k=top_k)
    errors = [answer["error"] for answer in answers if "error" in answer]
    good = [answer for answer in answers if "error" not in answer]
    if json:
        print_json(answers)
    for number, answer in enumerate(good if not json else ()):
        if len(answers) > 1:
            print(f"{chr(10) if number else ''}{answer['word']}")
        print_table(
            ("word", "cosine"),
            [(found["label"], f"{found['score']:.4f}") for found in answer["neighbors"]],
            right=("cosine",),
        )
    for error in errors:
        note(f"tsugiki: {error}")
    return 1 if errors else 0


def similar(name: str, words: list[str], *, top_k: int) -> list[dict[str, Any]]:
    """For each word ``{"word", "neighbors": [{"label", "score"}]}``, for an unknown one ``{"word", "error"}``.

    Raises:
        TsugikiError: The vectors are unknown.
    """
    from .named_vectors import open_vectors

    vectors = open_vectors(name)
    asked = [vectors.spelling(word) for word in words]

    def answer(some: Sequence[str]) -> list[Answers]:
        found = vectors.neighbors(some, top_k=top_k)
        return [[{"label": label, "score": score} for label, score in near] for near in found]

    return [
        {"word": word, "neighbors": near} if (why := error_of(near)) is None else {"word": word, "error": why}
        for word, near in zip(asked, answered(asked, answer), strict=True)
    ]
